"""The entries of `claims.json`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfsc.errors import ResultError
from sfsc.reporting.claims.comparisons import Comparison, Question
from sfsc.reporting.claims.entries import entry, load_claims
from sfsc.reporting.claims.verdicts import judge
from sfsc.statistics.paired import paired_effect

KEYS = (
    "id", "dataset", "statement", "comparison", "effect", "ci_low", "ci_high", "queries_low",
    "queries_high", "unit", "bound", "p_value", "n_seeds", "test", "smallest_detectable_effect",
    "more_seeds", "more_core_minutes", "verdict", "explanation", "parts",
)  # fmt: skip
PART_KEYS = (
    "name", "effect", "ci_low", "ci_high", "queries_low", "queries_high", "unit", "bound", "margin",
    "p_value", "p_opposite", "n_seeds", "test", "smallest_detectable_effect", "more_seeds",
    "verdict",
)  # fmt: skip


def entry_of(*seeds: float) -> dict[str, Any]:
    """Return the entry of a claim with a single comparison."""
    effect = paired_effect(np.array(seeds)[:, None])
    comparison = Comparison(
        "x", effect, other_queries=(-1.0, 9.0), core_seconds=(("d/sfsc", 90.0),)
    )
    (claim,) = judge([Question("C9", "synthetic", "It works.", (comparison,))])
    return entry(claim)


def test_every_claim_has_an_entry_with_all_keys(claims: dict[str, Any]):
    """In order; the claim's numbers are those of the part that decides."""
    assert list(claims) == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    for item in claims.values():
        assert tuple(item) == KEYS
        assert all(tuple(part) == PART_KEYS for part in item["parts"])
        parts = {part["name"]: part for part in item["parts"]}
        deciding = parts[item["comparison"]]
        same = ("effect", "ci_low", "ci_high", "queries_low", "smallest_detectable_effect")
        assert all(item[key] == deciding[key] for key in same)
        assert item["verdict"] == deciding["verdict"]
        assert item["p_value"] >= deciding["p_value"]
        assert item["ci_low"] <= item["effect"] <= item["ci_high"]


def test_an_undecided_claim_has_the_price_of_a_decision():
    """In seeds and in core-minutes, which a decided one has not."""
    undecided, decided = entry_of(2.0, 3.5, -0.5), entry_of(2.0, 2.1, 1.9)
    assert undecided["more_seeds"] > 40
    assert undecided["more_core_minutes"] == undecided["more_seeds"] * 1.5
    assert decided["more_seeds"] is decided["more_core_minutes"] is None
    assert decided["smallest_detectable_effect"] == pytest.approx(0.326, abs=1e-3)
    assert undecided["test"] == (
        "one-sided paired t-test over seeds, above 0; 95 % interval: Student's t over seeds"
    )


def test_one_seed_has_an_effect_alone():
    """What it cannot know is null, which is JSON."""
    item = entry_of(2.0)
    unknown = ("ci_low", "ci_high", "p_value", "smallest_detectable_effect", "more_seeds")
    assert {item[key] for key in unknown} == {None}
    assert item["effect"] == 2.0
    assert json.loads(json.dumps(item, allow_nan=False)) == item


def test_a_damaged_file_is_refused(tmp_path: Path):
    """The sentence names the stage that writes it."""
    with pytest.raises(ResultError, match=r"claims\.json must be written by `sfsc claims`"):
        load_claims(tmp_path / "claims.json")
