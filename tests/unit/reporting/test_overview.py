"""The page over all studies: offline, complete, fresh."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sfsc.reporting.claims.entries import load_claims
from sfsc.reporting.overview import judged_studies, render

REPORTS = Path(__file__).parents[3] / "reports"


@pytest.fixture
def folder(reports: Path, tmp_path: Path) -> Path:
    """Two reports of the same made-up study."""
    for name in ("other", "default"):
        shutil.copytree(reports / "tables", tmp_path / name / "tables")
        shutil.copy(reports / "claims.json", tmp_path / name)
    return tmp_path


def test_each_claim_stands_beside_itself_in_the_other_studies(folder: Path):
    """The default study comes first; every verdict is a word."""
    text = render(folder, judged_studies(folder))
    claims = load_claims(folder / "other" / "claims.json")
    tested = [claim for claim in claims if claim["verdict"] != "not tested"]
    assert tested
    for claim in tested:
        (section,) = re.findall(rf'<h2 id="{claim["id"]}">.+?</ul>', text, re.DOTALL)
        assert re.findall(r'href="(\w+)/index.html#synthetic"', section) == ["default", "other"]
        assert section.count(f"</span> {claim['verdict']}</span>") == 2
    assert not re.search(r"https?:|@import|url\((?!#)", text)


def test_a_study_that_tests_no_claim_has_a_card_alone(folder: Path):
    """A map of conflicts has a page, and no row in a comparison of claims."""
    path = folder / "other" / "claims.json"
    nothing = dict.fromkeys(("comparison", "effect", "ci_low", "ci_high", "unit"))
    claims = [claim | nothing | {"verdict": "not tested"} for claim in load_claims(path)]
    path.write_text(json.dumps(claims))
    text = render(folder, ["other", "default"])
    assert 'href="other/index.html"' in text
    assert text.count("it tests none of the paper") == 1
    assert text.count('aria-label="Verdicts"') == 1
    assert 'href="other/index.html#synthetic"' not in text
    assert 'href="default/index.html#synthetic"' in text


def test_a_folder_without_claims_is_no_study_here(folder: Path):
    """A search judges nothing."""
    (folder / "search").mkdir()
    (folder / "search" / "choices.json").write_text("[]")
    assert judged_studies(folder) == ["default", "other"]
    assert 'href="search/choices.md"' in render(folder, ["default"])


def test_the_page_is_fresh():
    """It shows the reports that git tracks, as they are."""
    tracked = subprocess.run(
        ["git", "ls-files", "*/claims.json"],
        cwd=REPORTS,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    studies = [name for name in judged_studies(REPORTS) if f"{name}/claims.json" in tracked]
    assert (REPORTS / "index.html").read_text() == render(REPORTS, studies)
