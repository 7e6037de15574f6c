"""C1 to C4 and C6."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_files import small_job, write_study

from sfsc.reporting.claims.accuracy import accuracy_questions
from sfsc.reporting.runs import Results


def test_the_effects_are_those_of_the_matrices(claims: dict[str, Any], results: Results):
    """C1: average mAP minus the unified self-test; C7: self-test minus the twin's; in points."""
    values = {name: results.group(name).map_percent for name in ("sfsc", "unified", "independent")}
    gap = values["sfsc"].mean() - values["unified"].mean()
    assert claims["C1"]["effect"] == pytest.approx(gap, abs=1e-3)
    assert "The effect is below the paper's 6 to 8 points." in claims["C1"]["explanation"]
    twin = (values["sfsc"] - values["independent"])[:, 1, 1].mean()
    part = claims["C7"]["parts"][3]
    assert part["name"] == "Self-test at width 1/4 minus its independent twin's"
    assert part["effect"] == pytest.approx(twin, abs=1e-3)


def test_the_pooled_effect_is_the_mean_over_conditions(claims: dict[str, Any]):
    """Each condition counts alike."""
    pooled, *conditions = claims["C6"]["parts"]
    mean = np.mean([condition["effect"] for condition in conditions])
    assert pooled["effect"] == pytest.approx(mean, abs=1e-3)
    assert "SFSC is ahead of BCT-S under 7 of 7 conditions." in claims["C6"]["explanation"]


def test_variants_belong_to_their_family(tmp_path: Path):
    """A row of a loss more is one more comparison; -S rows are C3's."""
    job = small_job("bct", "asymmetric_triplet", "bct_s", "asymmetric_s", "asymmetric_s_regression",
                    "sfsc")  # fmt: skip
    results = Results(job, write_study(tmp_path, job), "synthetic")
    asked = {question.id: question for question in accuracy_questions(results)}
    assert len(asked["C2"].parts) == 2
    assert len(asked["C3"].parts) == 3
    assert asked["C2"].missing == asked["C3"].missing == ()
