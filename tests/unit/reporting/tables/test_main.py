"""Which methods lead a column of the main table."""

from pathlib import Path

import pytest
from result_files import set_level, small_job, write_run

from sfsc.reporting.runs import Results
from sfsc.reporting.tables.main import main_frame


def test_a_lead_that_queries_or_seeds_may_turn_is_not_bold(tmp_path: Path):
    """The interval of the effect on the second best contains 0."""
    for method, levels in {"unified": (0.6, 0.6), "sfsc": (0.59, 0.62)}.items():
        for seed, level in enumerate(levels):
            set_level(write_run(tmp_path, method=method, seed=seed), level)
    frame = main_frame(Results(small_job("unified", "sfsc"), tmp_path, "synthetic").compared())
    assert frame.set_index("method")["average_map_mean"]["sfsc"] == pytest.approx(60.5)
    assert "average_map" not in frame.set_index("method")["leads"]["sfsc"]


def test_one_seed_is_never_bold(tmp_path: Path):
    """Queries alone are no evidence about another training."""
    for method, level in (("unified", 0.5), ("sfsc", 0.6)):
        set_level(write_run(tmp_path, method=method), level)
    job = small_job("unified", "sfsc", seeds=(0,))
    assert set(main_frame(Results(job, tmp_path, "synthetic").compared())["leads"]) == {""}


def test_the_best_is_marked_within_each_data_set(tmp_path: Path):
    """A higher number on another data set changes nothing."""
    job = small_job("unified", "bct_s", datasets=("synthetic", "omniglot"))
    for dataset, levels in {"synthetic": (0.4, 0.5), "omniglot": (0.8, 0.7)}.items():
        for method, level in zip(job.compare, levels, strict=True):
            for seed in job.seeds:
                set_level(write_run(tmp_path, dataset=dataset, method=method, seed=seed), level)
    groups = [g for name in job.datasets for g in Results(job, tmp_path, name).compared()]
    leads = main_frame(groups).set_index(["dataset", "method"])["leads"]
    assert leads["synthetic", "bct_s"].split()[0] == "average_map"
    assert leads["omniglot", "unified"].split()[0] == "average_map"
    assert leads["omniglot", "bct_s"] == leads["synthetic", "unified"] == ""
