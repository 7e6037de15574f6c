"""Numbers from what a training recorded."""

from pathlib import Path

import pandas as pd
import pytest
from result_files import write_run

from sfsc.reporting.dynamics import (
    conflict_share,
    norm_imbalance,
    opposed_share,
    smallest_share,
    uncertainty_gap,
    whole_conflict_shares,
)
from sfsc.reporting.runs import load_run


def write_curves(folder: Path, rows: list[tuple[int, str, int, float]]) -> Path:
    """Replace what a training recorded."""
    frame = pd.DataFrame(rows, columns=["step", "metric", "switch", "value"])
    frame.to_parquet(folder / "training.parquet")
    return folder


def test_what_is_measured_of_a_training(tmp_path: Path):
    """Golden values: 4 steps, of which the first 2 are the first half."""
    norms = [(1.0, 4.0), (1.0, 1.0), (2.0, 8.0), (2.0, 8.0)]
    switches = [(step, switch) for step in range(4) for switch in (0, 1)]
    rows = [
        *((step, "gradient_norm", switch, norms[step][switch]) for step, switch in switches),
        *((step, "uncertainty", s, 0.9 - 0.1 * step * s - 0.2 * s) for step, s in switches),
        *((0, "cosine_layer", 0, value) for value in (-0.5, 0.5, 0.1, -0.1, 0.0)),
        *((0, "cosine_update", 0, value) for value in (-0.5, 0.5, 0.6, 0.7)),
        *((step, "cosine_whole", 0, value) for step in (0, 3) for value in (-0.5, step - 1.0)),
    ]  # fmt: skip
    run = load_run(write_curves(write_run(tmp_path, steps=4), rows))
    assert conflict_share(run) == pytest.approx(40)
    assert opposed_share(run) == pytest.approx(25)
    assert whole_conflict_shares(run) == pytest.approx([100, 50])
    assert norm_imbalance(run) == pytest.approx((2 + 0 + 2 + 2) / 4)
    assert smallest_share(run) == pytest.approx(100 * (0.2 + 0.5) / 2)
    assert uncertainty_gap(run) == pytest.approx((0.2 + 0.3) / 2)
