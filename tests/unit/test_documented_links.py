"""Relative links of the pages that `mkdocs build --strict` does not check lead to files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?:\]\(|href=\")(?!https?://)([^)\"#\s]+)")
PAGES = ("README.md", "CONTRIBUTING.md", "DESIGN.md", "CHANGELOG.md", "docs/results.md")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str):
    """A page that was moved leaves no dead link to itself."""
    page = ROOT / name
    links = LINK.findall(page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
