"""How a comparison is measured."""

import json
from pathlib import Path

import numpy as np
import pytest
from result_files import write_run

from sfsc.errors import ResultError
from sfsc.reporting.claims.comparisons import Scale, compare, level
from sfsc.reporting.effects import differences
from sfsc.reporting.runs import Group, Results, load_run
from sfsc.reporting.summaries import AVERAGE_MAP
from sfsc.statistics.bootstrap import crossed_interval
from sfsc.statistics.paired import paired_effect


def test_two_methods_are_paired_by_seed_and_query(results: Results):
    """With the interval over other queries, which cluster by identity."""
    ours, theirs = results.group("sfsc"), results.group("bct_s")
    found = compare("x", ours, theirs, AVERAGE_MAP.of_queries)
    values = differences(ours, theirs, AVERAGE_MAP.of_queries)
    assert found.effect == paired_effect(values)
    assert found.other_queries == crossed_interval(values, np.arange(40) // 2)


def test_a_level_has_no_queries(results: Results):
    """A number per training, against a bound."""
    scale = Scale("%", bound=5.0)
    found = level("x", results.group("sfsc"), lambda run: np.array([2.0 + run.seed]), scale=scale)
    assert found.effect == paired_effect(np.array([[2.0], [3.0]]), bound=5.0)
    assert found.other_queries is None
    assert not found.is_paired


def test_a_seed_more_costs_the_trainings_of_both_methods(tmp_path: Path):
    """Mean over seeds of wall-clock seconds times threads."""
    groups = []
    for method, seconds, threads in (("sfsc", (60.0, 120.0), 1), ("bct_s", (30.0, 40.0), 2)):
        for seed, wall in enumerate(seconds):
            path = write_run(tmp_path, method=method, seed=seed) / "run.json"
            record = json.loads(path.read_text()) | {"wall_seconds": wall, "threads": threads}
            path.write_text(json.dumps(record))
        folders = sorted((tmp_path / "synthetic" / method).iterdir())
        groups.append(Group(tuple(map(load_run, folders))))
    costs = compare("x", *groups, AVERAGE_MAP.of_queries).core_seconds
    assert costs == (("synthetic/sfsc", 90.0), ("synthetic/bct_s", 70.0))


def test_queries_without_identities_are_refused(results: Results, tmp_path: Path):
    """The file of a test of an earlier version has none."""
    from safetensors.numpy import load_file, save_file

    folder = write_run(tmp_path)
    path = folder / "query_metrics.safetensors"
    arrays = load_file(path)
    del arrays["identity"]
    save_file(arrays, path)
    with pytest.raises(ResultError) as error:
        compare("x", Group((load_run(folder),)), results.group("bct_s"), AVERAGE_MAP.of_queries)
    assert str(error.value) == (
        f"{path} must hold the identity of each query. Found: 'identity'. Evaluate it again."
    )
