"""The deployment table."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from result_files import small_job, write_run, write_test

from sfsc.reporting.markup import NONE, Table
from sfsc.reporting.runs import Results
from sfsc.reporting.tables.deployment import (
    INDEPENDENT,
    UNIFIED,
    deployment_frame,
    deployment_note,
    deployment_tables,
)
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


def test_the_note_explains_the_references_that_are_there(root: Path):
    """Unified model alone, both, or neither."""
    both = deployment_frame([Results(small_job("unified", "sfsc"), root, "synthetic")])
    assert deployment_note(both).endswith(f"Last, for reference: {UNIFIED}.")
    assert deployment_note(both.replace("sfsc", "independent")).endswith(
        f"{INDEPENDENT}; {UNIFIED}."
    )
    alone = deployment_frame([Results(small_job("sfsc"), root, "synthetic")])
    assert "reference" not in deployment_note(alone)


def test_a_study_of_single_networks_has_the_columns_alone(root: Path):
    """They have no other gallery."""
    frame = deployment_frame([Results(small_job("unified"), root, "synthetic")])
    assert tuple(frame.columns) == COLUMNS
    assert frame.empty


def test_a_reader_sees_a_row_per_method_and_a_column_per_width(root: Path):
    """A table per gallery; the unified model, one number for all platforms, stands in the first."""
    job = small_job("unified", "sfsc")
    full, own = deployment_tables(deployment_frame([Results(job, root, "synthetic")]))
    assert full.title == "synthetic: queries in the full model's gallery"
    assert own.title == "synthetic: queries in the gallery of the same sub-model"
    assert full.head == own.head == ("method", "width 1/8", "1/4", "1/2", "1")
    assert texts(full) == [
        ["SFSC (ours)", "17.0 ± 1.4", "25.0 ± 1.4", "33.0 ± 1.4", "41.0 ± 1.4"],
        ["Unified", *["30.0 ± 0.0"] * 4],
    ]
    assert texts(own) == [["SFSC (ours)", "11.0 ± 1.4", "21.0 ± 1.4", "31.0 ± 1.4", "41.0 ± 1.4"]]
    assert (full.n_apart, own.n_apart) == (1, 0)


def test_references_stand_apart(root: Path):
    """Independent networks, which are not compatible, wherever the study names them."""
    for seed in (0, 1):
        write_run(root, method="independent", seed=seed)
    job = small_job("independent", "unified", "sfsc")
    full, own = deployment_tables(deployment_frame([Results(job, root, "synthetic")]))
    assert [row[0].text for row in full.rows] == ["SFSC (ours)", "Independent", "Unified"]
    assert (full.n_apart, own.n_apart) == (2, 1)


def test_methods_may_differ_in_their_widths():
    """A width that a method does not have is a dash; no unified model, no row."""
    cells = (50.0, 1.0, 40.0, 1.0, float("nan"), float("nan"))
    rows = [("s", "bct_s", 0.25), ("s", "bct_s", 1.0), ("s", "sfsc", 0.5), ("s", "sfsc", 1.0)]
    full, _ = deployment_tables(pd.DataFrame([(*row, *cells) for row in rows], columns=COLUMNS))
    number = "50.0 ± 1.0"
    assert full.head == ("method", "width 1/4", "1/2", "1")
    assert texts(full) == [["BCT-S", number, NONE, number], ["SFSC (ours)", NONE, number, number]]


def texts(table: Table) -> list[list[str]]:
    """Return the texts of a table's cells."""
    return [[cell.text for cell in row] for row in table.rows]
