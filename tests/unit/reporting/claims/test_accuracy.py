"""C1 to C4 and C6."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_files import conditions, small_job, write_run, write_study, write_test

from sfsc.reporting.claims.accuracy import accuracy_questions
from sfsc.reporting.claims.comparisons import Question
from sfsc.reporting.runs import Results


def ask(results: Results) -> dict[str, Question]:
    """Return the questions by their names."""
    return {question.id: question for question in accuracy_questions(results)}


def test_the_unified_model_is_beaten_on_average_and_in_every_platforms_cell(
    claims: dict[str, Any], results: Results
):
    """C1, in points: the mean of the matrix, and each width's query in the full gallery."""
    ours, unified = (results.group(name).map_percent for name in ("sfsc", "unified"))
    average, *cells = claims["C1"]["parts"]
    assert average["effect"] == pytest.approx(ours.mean() - unified.mean(), abs=1e-3)
    for switch, part in enumerate(cells):
        gap = ours[:, switch, -1].mean() - unified.mean()
        assert part["effect"] == pytest.approx(gap, abs=1e-3)
    assert len(cells) == 4


@pytest.mark.parametrize(
    ("gains", "relation"),
    [
        ((0.07, 0.071), "reaches"),
        ((0.05, 0.051), "does not reach"),
        ((0.05, 0.08), "may or may not reach"),
    ],
)
def test_the_average_gain_is_compared_with_the_papers(
    gains: tuple[float, float], relation: str, tmp_path: Path
):
    """By its interval."""
    for seed, gain in enumerate(gains):
        for method, level, size in (("unified", 0.5, 1), ("sfsc", 0.5 + gain, 4)):
            folder = write_run(tmp_path, method=method, seed=seed)
            write_test(folder, np.full((40, size, size), level))
    question = ask(Results(small_job("unified", "sfsc"), tmp_path, "synthetic"))["C1"]
    assert question.remark == f"The average gain {relation} the paper's 6 points."


def test_the_pooled_effect_is_the_mean_over_conditions(claims: dict[str, Any]):
    """Each condition counts equally."""
    pooled, *conditions = claims["C6"]["parts"]
    mean = np.mean([condition["effect"] for condition in conditions])
    assert pooled["effect"] == pytest.approx(mean, abs=1e-3)


def test_the_pooled_effect_uses_all_seeds_of_each_condition(tmp_path: Path):
    """The compared rows have two seeds, the condition has one: as few seeds count."""
    runs = {name: [name, f"{name}@base_loss=arcface"] for name in ("sfsc", "bct_s")}
    variation = [
        condition
        for method, (row, varied) in runs.items()
        for condition in conditions(method, {"softmax": row, "arcface": varied})
    ]
    job = small_job("bct_s", "sfsc", robustness={"base_loss": variation}, variation_seeds=(0,))
    results = Results(job, write_study(tmp_path, job), "synthetic")
    values = {
        run: results.group(run).map_percent.mean(axis=(1, 2))
        for pair in runs.values()
        for run in pair
    }
    gaps = [values[ours] - values[theirs] for ours, theirs in zip(*runs.values(), strict=True)]
    assert [len(gap) for gap in gaps] == [2, 1]
    effect = ask(results)["C6"].parts[0].effect
    assert effect.effect == pytest.approx((gaps[0].mean() + gaps[1].mean()) / 2)
    assert effect.n_seeds == 1


def test_variants_belong_to_their_family(tmp_path: Path):
    """A row of a loss more is one more comparison; -S rows are C3's."""
    job = small_job("bct", "asymmetric_triplet", "bct_s", "asymmetric_s", "asymmetric_s_regression",
                    "sfsc")  # fmt: skip
    asked = ask(Results(job, write_study(tmp_path, job), "synthetic"))
    assert len(asked["C2"].parts) == 2
    assert len(asked["C3"].parts) == 3
    assert asked["C2"].missing == asked["C3"].missing == ()
