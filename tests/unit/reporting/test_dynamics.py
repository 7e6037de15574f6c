"""Numbers from what a training recorded."""

import json
from pathlib import Path

import pandas as pd
import pytest
from result_files import write_run

from sfsc.reporting.dynamics import (
    conflict_share,
    loss_weights,
    norm_imbalance,
    norm_shares,
    priority_correlation,
)
from sfsc.reporting.runs import Run, load_run

Rows = list[tuple[int, str, int, float]]


def write_curves(folder: Path, rows: Rows) -> Run:
    """Replace what a training recorded."""
    frame = pd.DataFrame(rows, columns=["step", "metric", "switch", "value"])
    frame.to_parquet(folder / "training.parquet")
    return load_run(folder)


def by_step(metric: str, *steps: tuple[float, ...]) -> Rows:
    """Return the records of a metric, one tuple of sub-models per step."""
    return [(t, metric, s, value) for t, step in enumerate(steps) for s, value in enumerate(step)]


def set_loss(folder: Path, base_weight: float = 1.0, **terms: float) -> Path:
    """Change the weights of the losses in a training's record."""
    path = folder / "run.json"
    record = json.loads(path.read_text())
    loss = record["settings"]["loss"]
    loss["submodels"]["base_weight"] = base_weight
    loss["terms"] = {name: {"weight": weight} for name, weight in terms.items()}
    path.write_text(json.dumps(record))
    return folder


def test_the_conflict_share_counts_negative_cosines(tmp_path: Path):
    """A cosine of 0 is no conflict."""
    rows = [(0, "cosine_nested", 0, value) for value in (-0.5, 0.5, 0.1, -0.1, 0.0)]
    assert conflict_share(write_curves(write_run(tmp_path), rows)) == pytest.approx([40])


def test_norms_are_compared_per_unit_of_loss_weight(tmp_path: Path):
    """A sub-model with twice the weight has twice the gradient, which is no imbalance."""
    folder = set_loss(write_run(tmp_path), base_weight=2.0)
    even, uneven = (2.0, 2.0, 2.0, 1.0), (8.0, 2.0, 2.0, 1.0)
    run = write_curves(folder, by_step("gradient_norm", even, uneven))
    assert norm_imbalance(run) == pytest.approx([(0 + 2) / 2])
    assert norm_shares(run).iloc[0].tolist() == pytest.approx([2 / 7, 2 / 7, 2 / 7, 1 / 7])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"base_weight": 3.0}, [3, 3, 3, 1]),
        ({"base_weight": 0.0, "compatible": 2.0}, [2, 2, 2, 1]),
        ({"triplet": 0.5}, [1.5, 1.5, 1.5, 1.5]),
        ({"base_weight": 3.0, "compatible": 0.25, "triplet": 1.0}, [4.25, 4.25, 4.25, 2]),
    ],
)
def test_the_weight_of_a_sub_model_is_the_sum_of_its_losses(
    weights: dict[str, float], expected: list[float], tmp_path: Path
):
    """The full model has the base loss with weight 1, and no compatible loss: its record is 0."""
    run = load_run(set_loss(write_run(tmp_path), **weights))
    assert loss_weights(run) == pytest.approx(expected)


def test_priority_is_the_rank_correlation_within_a_step(tmp_path: Path):
    """Steps of correlation 1, -1, 0.8 and, all being equal, 0; falling together is no priority."""
    folder = set_loss(write_run(tmp_path))
    uncertainties = [(0.9, 0.8, 0.7, 0.6), (0.5, 0.4, 0.3, 0.2), (0.4, 0.3, 0.2, 0.1)]
    norms = [(8.0, 7.0, 6.0, 5.0), (1.0, 2.0, 3.0, 4.0), (4.0, 2.0, 3.0, 1.0)]
    equal = (0.5, 0.5, 0.5, 0.5)
    rows = by_step("uncertainty", *uncertainties, equal) + by_step("gradient_norm", *norms, equal)
    run = write_curves(folder, rows)
    assert priority_correlation(run) == pytest.approx([(1 - 1 + 0.8 + 0) / 4])
