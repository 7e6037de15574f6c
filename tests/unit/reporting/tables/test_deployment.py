"""The deployment table."""

import csv
from pathlib import Path

import numpy as np
import pytest
from result_files import small_job, write_run, write_test

from sfsc.reporting.runs import Results
from sfsc.reporting.tables.deployment import deployment_frame, deployment_tables
from sfsc.reporting.tables.write import write_tables

COLUMNS = (
    "dataset", "method", "query_width", "full_gallery_map_mean", "full_gallery_map_std",
    "own_gallery_map_mean", "own_gallery_map_std", "unified_map_mean", "unified_map_std",
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """SFSC with cells of 10, 12, ..., 40 %, in its second seed 2 points more; unified at 30 %."""
    root = tmp_path / "results"
    matrix = np.arange(10, 42, 2).reshape(4, 4) / 100
    for seed in (0, 1):
        folder = write_run(root, method="sfsc", seed=seed)
        write_test(folder, np.tile(matrix + 0.02 * seed, (40, 1, 1)))
        write_test(write_run(root, method="unified", seed=seed), np.full((40, 1, 1), 0.3))
    return root


def test_a_row_is_a_query_width(root: Path, tmp_path: Path):
    """Its cell in the full gallery, the one in its own gallery, and the unified model; percent."""
    job = small_job("unified", "sfsc")
    write_tables(job, root, tmp_path, tmp_path / "metrics.json", [])
    with (tmp_path / "deployment.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["query_width"] for row in rows] == ["0.1250", "0.2500", "0.5000", "1.0000"]
    means = [[float(row[name]) for name in COLUMNS[3::2]] for row in rows]
    assert means == pytest.approx(
        np.array([[17, 11, 30], [25, 21, 30], [33, 31, 30], [41, 41, 30]]), abs=1e-3
    )
    deviations = np.array([[float(row[name]) for name in COLUMNS[4::2]] for row in rows])
    assert deviations == pytest.approx(np.tile([2**0.5, 2**0.5, 0.0], (4, 1)), abs=1e-3)
    assert {(row["dataset"], row["method"]) for row in rows} == {("synthetic", "sfsc")}


def test_what_a_study_lacks_is_missing(root: Path):
    """The unified model, and the deviation of a single seed."""
    frame = deployment_frame([Results(small_job("sfsc", seeds=(0,)), root, "synthetic")])
    assert frame["full_gallery_map_mean"].tolist() == pytest.approx([16, 24, 32, 40], abs=1e-3)
    missing = ["full_gallery_map_std", "own_gallery_map_std", "unified_map_mean", "unified_map_std"]
    assert frame[missing].isna().all(axis=None)


def test_a_study_of_single_networks_has_the_columns_alone(root: Path):
    """They have no other gallery."""
    frame = deployment_frame([Results(small_job("unified"), root, "synthetic")])
    assert tuple(frame.columns) == COLUMNS
    assert frame.empty


def test_a_reader_sees_widths_and_three_numbers(root: Path):
    """One table a data set, a row for each width."""
    (table,) = deployment_tables(
        deployment_frame([Results(small_job("unified", "sfsc"), root, "synthetic")])
    )
    first, *_, last = ([cell.text for cell in row] for row in table.rows)
    assert first == ["SFSC (ours)", "1/8", "17.0 ± 1.4", "11.0 ± 1.4", "30.0 ± 0.0"]
    assert last[1] == "1"
