"""Smoothing and joining of seeds."""

from pathlib import Path

import numpy as np
import pandas as pd
from result_files import write_run

from sfsc.reporting.curves import POINTS, join_seeds, smooth
from sfsc.reporting.runs import load_run


def test_smoothing_keeps_a_constant_and_counts_epochs(tmp_path: Path):
    """The last step is the last epoch."""
    run = load_run(write_run(tmp_path, steps=40))
    series = smooth(pd.Series(2.0, index=range(1, 41)), run)
    assert series.to_list() == [2.0] * 40
    assert series.index[-1] == run.record["epochs"]


def test_the_band_is_the_range_of_the_seeds():
    """Only steps that all seeds recorded count; many points are thinned out."""
    first = pd.Series([1.0, 2.0, 3.0], index=[1, 2, 3])
    curve = join_seeds([first, pd.Series([4.0, 5.0], index=[2, 3])])
    assert curve.epoch.tolist() == [2, 3]
    assert (curve.low.tolist(), curve.mean.tolist(), curve.high.tolist()) == (
        [2, 3], [3, 4], [4, 5]
    )  # fmt: skip
    long = pd.Series(np.arange(5_000.0), index=np.arange(5_000))
    assert len(join_seeds([long]).mean) == POINTS
