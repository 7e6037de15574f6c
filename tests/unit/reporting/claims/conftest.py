"""What the tests of claims share."""

from pathlib import Path
from typing import Any

import pytest

from sfsc.reporting.claims.entries import load_claims


@pytest.fixture(scope="module")
def claims(reports: Path) -> dict[str, Any]:
    """The study's claims by their names."""
    return {entry["id"]: entry for entry in load_claims(reports / "claims.json")}
