"""The entries of `claims.json`."""

from pathlib import Path
from typing import Any

import pytest

from sfsc.errors import ResultError
from sfsc.reporting.claims.entries import load_claims

KEYS = (
    "id", "dataset", "statement", "comparison", "effect", "ci_low", "ci_high", "unit", "bound",
    "p_value", "n_seeds", "test", "verdict", "explanation", "parts",
)  # fmt: skip


def test_every_claim_has_an_entry_with_all_keys(claims: dict[str, Any]):
    """In order; the claim's numbers are those of its hardest part."""
    assert list(claims) == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    for entry in claims.values():
        assert tuple(entry) == KEYS
        parts = {part["name"]: part for part in entry["parts"]}
        hardest = parts[entry["comparison"]]
        assert all(entry[key] == hardest[key] for key in ("effect", "ci_low", "ci_high"))
        assert entry["p_value"] >= hardest["p_value"]
        assert entry["ci_low"] <= entry["effect"] <= entry["ci_high"]


def test_a_damaged_file_is_refused(tmp_path: Path):
    """The sentence names the stage that writes it."""
    with pytest.raises(ResultError, match=r"claims\.json must be written by `sfsc claims`"):
        load_claims(tmp_path / "claims.json")
