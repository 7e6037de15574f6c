"""Pairing of runs."""

from pathlib import Path

import numpy as np
import pytest
from result_files import small_job, write_run, write_study, write_test

from sfsc.errors import ResultError
from sfsc.reporting.effects import differences, map_effect
from sfsc.reporting.runs import Group, Results, load_run
from sfsc.reporting.summaries import AVERAGE_MAP


def test_methods_are_paired_by_the_seeds_that_both_have(tmp_path: Path):
    """Numbers of sub-models may differ; the effect is the difference of the means."""
    for seed in (0, 1, 2):
        write_run(tmp_path, method="sfsc", seed=seed)
    for seed in (1, 2):
        write_run(tmp_path, method="unified", seed=seed)
    ours = Results(small_job("sfsc", seeds=(0, 1, 2)), tmp_path, "synthetic").group("sfsc")
    theirs = Results(small_job("unified", seeds=(1, 2)), tmp_path, "synthetic").group("unified")
    assert differences(ours, theirs, AVERAGE_MAP.of_queries).shape == (2, 40)
    effect = map_effect(ours, theirs)
    expected = ours.map_percent.mean(axis=(1, 2))[1:] - theirs.map_percent.mean(axis=(1, 2))
    assert effect.effect == pytest.approx(expected.mean())
    assert effect.n_seeds == 2


def test_methods_without_a_common_seed_are_refused(tmp_path: Path):
    """There is nothing to pair."""
    groups = [
        Group((load_run(write_run(tmp_path, method=method, seed=seed)),))
        for method, seed in (("sfsc", 0), ("bct_s", 1))
    ]
    with pytest.raises(ResultError) as error:
        map_effect(*groups)
    assert str(error.value) == (
        "`sfsc` and `bct_s` on `synthetic` must share a seed to be compared. Found [0] and [1]. "
        "Add one to `variation_seeds`."
    )


def test_other_queries_are_refused(tmp_path: Path):
    """Values of different queries cannot be paired."""
    results = Results(
        small_job("sfsc", "bct_s"),
        write_study(tmp_path, small_job("sfsc", "bct_s")),
        "synthetic",
    )
    write_test(tmp_path / "synthetic" / "bct_s" / "seed1", np.full((3, 4, 4), 0.5))
    with pytest.raises(ResultError) as error:
        map_effect(results.group("sfsc"), results.group("bct_s"))
    assert str(error.value) == (
        "`sfsc` and `bct_s` on `synthetic`, seed 1, must be tested with the same queries. Found 40 "
        "and 3. Evaluate them again."
    )
