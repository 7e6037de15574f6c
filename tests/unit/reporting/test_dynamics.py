"""Numbers from what a training recorded."""

import math
from pathlib import Path

import pandas as pd
import pytest
from result_files import write_run

from sfsc.reporting.dynamics import (
    conflict_measures,
    conflict_share,
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


def test_the_conflict_share_counts_negative_cosines(tmp_path: Path):
    """A cosine of 0 is no conflict."""
    rows = [(0, "cosine_common", 0, value) for value in (-0.5, 0.5, 0.1, -0.1, 0.0)]
    assert conflict_share(write_curves(write_run(tmp_path), rows)) == pytest.approx([40])


def test_norms_are_compared_on_the_common_block(tmp_path: Path):
    """The imbalance is that of the common block, the shares those of the whole gradients."""
    even, uneven = (2.0, 2.0, 2.0, 2.0), (8.0, 2.0, 2.0, 2.0)
    whole = by_step("gradient_norm", (2.0, 2.0, 2.0, 1.0), (2.0, 2.0, 2.0, 1.0))
    run = write_curves(write_run(tmp_path), by_step("common_norm", even, uneven) + whole)
    assert norm_imbalance(run) == pytest.approx([(0 + 2) / 2])
    assert norm_shares(run).iloc[0].tolist() == pytest.approx([2 / 7, 2 / 7, 2 / 7, 1 / 7])


def test_measures_of_conflicts_tell_the_beginning_from_the_rest(tmp_path: Path):
    """The first quarter of 60 steps ends before step 15; percent, but for cosine and imbalance."""
    rows: Rows = []
    for step, cosine in ((0, -0.5), (14, 0.5), (15, 0.1), (30, 0.2), (59, -0.3)):
        rows += [(step, f"cosine_{name}", 0, cosine) for name in ("whole", "common", "nested")]
        rows += [(step, "cosine_layer", 0, -0.1), (step, "cosine_layer", 0, cosine)]
        rows += [(step, "cosine_update", s, cosine + 0.4) for s in (0, 1)]
        rows += [(step, "common_norm", 0, 1.0), (step, "common_norm", 1, 4.0)]
        rows += [(step, "projection_change", -1, 0.25 * (cosine < 0))]
    measures = conflict_measures(write_curves(write_run(tmp_path), rows))
    assert measures == pytest.approx(
        {
            "whole_early": 50, "whole_late": 100 / 3, "layer_early": 75, "layer_late": 200 / 3,
            "common_early": 50, "common_late": 100 / 3, "cosine_early": 0, "cosine_late": 0,
            "imbalance": 2, "change": 10, "against": 20,
        },
        abs=1e-6,
    )  # fmt: skip


def test_what_a_short_training_did_not_record_is_missing(tmp_path: Path):
    """One record is of the beginning alone."""
    names = ("cosine_whole", "cosine_common", "cosine_layer", "cosine_nested", "cosine_update")
    rows = [(0, name, 0, 0.5) for name in (*names, "common_norm", "projection_change")]
    measures = conflict_measures(write_curves(write_run(tmp_path), rows))
    assert measures["cosine_early"] == 0.5
    assert math.isnan(measures["cosine_late"])


def test_priority_is_the_rank_correlation_within_a_step(tmp_path: Path):
    """Steps of correlation 1, -1, 0.8 and, all being equal, 0; falling together is no priority."""
    folder = write_run(tmp_path)
    uncertainties = [(0.9, 0.8, 0.7, 0.6), (0.5, 0.4, 0.3, 0.2), (0.4, 0.3, 0.2, 0.1)]
    norms = [(8.0, 7.0, 6.0, 5.0), (1.0, 2.0, 3.0, 4.0), (4.0, 2.0, 3.0, 1.0)]
    equal = (0.5, 0.5, 0.5, 0.5)
    rows = by_step("uncertainty", *uncertainties, equal) + by_step("common_norm", *norms, equal)
    run = write_curves(folder, rows)
    assert priority_correlation(run) == pytest.approx([(1 - 1 + 0.8 + 0) / 4])
