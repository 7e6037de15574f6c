"""The table of conflicts."""

from pathlib import Path

import pytest

from sfsc.reporting.dynamics import conflict_measures
from sfsc.reporting.runs import Results
from sfsc.reporting.tables.conflicts import COLUMNS, conflict_tables
from sfsc.reporting.tables.write import read_runs_table


def test_a_row_is_a_switchable_run(reports: Path):
    """The compared methods, then the conditions of each variation; one network has no pairs."""
    frame = read_runs_table(reports / "tables" / "conflicts.csv")
    assert tuple(frame.columns) == COLUMNS
    compared = frame[frame["variation"] == "compared"]
    assert list(compared["run"]) == ["bct_s", "bct_s_classifier_all", "asymmetric_s", "sfsc"]
    assert list(frame["variation"].unique()) == [
        "compared", "parts", "granularity", "kl_weight", "base_loss"
    ]  # fmt: skip
    base_loss = frame[frame["variation"] == "base_loss"]
    assert list(base_loss["run"]) == [
        *("bct_s", "bct_s@base_loss=arcface", "bct_s@base_loss=circle_triplet"),
        *("sfsc", "sfsc@base_loss=arcface", "sfsc@base_loss=circle_triplet"),
    ]


def test_numbers_are_means_and_sample_deviations_over_seeds(reports: Path, results: Results):
    """Every measure of a training has both."""
    frame = read_runs_table(reports / "tables" / "conflicts.csv").set_index("variation")
    row = frame.loc["compared"].iloc[0]
    first, second = (conflict_measures(run) for run in results.group("bct_s").runs)
    for name, value in first.items():
        assert row[f"{name}_mean"] == pytest.approx((value + second[name]) / 2, abs=1e-4)
        deviation = abs(value - second[name]) / 2**0.5
        assert row[f"{name}_std"] == pytest.approx(deviation, abs=1e-4)
    assert row["n_seeds"] == 2


def test_a_reader_sees_a_table_per_variation(reports: Path):
    """Condition, method, four measures early and late, three measures, and seeds."""
    tables = conflict_tables(read_runs_table(reports / "tables" / "conflicts.csv"))
    assert tables[0].title == "synthetic: compared"
    assert tables[-1].title == "synthetic: base loss"
    condition, method, *measures, seeds = (cell.text for cell in tables[-1].rows[2])
    assert (condition, method, seeds) == ("circle triplet", "BCT-S", "2")
    assert all(" → " in text for text in measures[:4])
    assert all(" ± " in text for text in measures[4:])
    assert len(measures) == 7
