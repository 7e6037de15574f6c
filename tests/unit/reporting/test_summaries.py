"""Summaries of a matrix of cross-tests."""

from pathlib import Path

import numpy as np
import pytest
from result_files import write_run, write_test

from sfsc.reporting.runs import Run, load_run
from sfsc.reporting.summaries import SUMMARIES, cell, self_test


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Cells of 10, 20, ..., 160 %, each query 1 point off."""
    folder = write_run(tmp_path)
    matrix = np.arange(1, 17).reshape(4, 4) / 20
    write_test(folder, np.stack([matrix - 0.01, matrix + 0.01]))
    return load_run(folder)


@pytest.mark.parametrize(
    ("name", "percent"),
    [
        ("average_map", 42.5),
        ("diagonal_map", 42.5),
        ("off_diagonal_map", 42.5),
        ("worst_map", 5.0),
    ],
)
def test_a_summary_is_the_mean_of_its_cells(name: str, percent: float, run: Run):
    """A summary of a run is a fraction, that of each query is in percent."""
    assert 100 * SUMMARIES[name].of_run(run) == pytest.approx(percent)
    assert SUMMARIES[name].of_queries(run) == pytest.approx([percent - 1, percent + 1])


def test_a_self_test_is_one_cell(run: Run):
    """A self-test is one cell of the diagonal."""
    assert self_test(2).of_run(run) == pytest.approx(11 / 20)
    assert self_test(2).of_queries(run) == pytest.approx([54, 56])


def test_a_cell_is_a_query_and_a_gallery_sub_model(run: Run):
    """Rows are queries, columns are galleries."""
    assert cell(1, 3).of_run(run) == pytest.approx(8 / 20)
    assert cell(3, 1).of_queries(run) == pytest.approx([69, 71])


def test_one_network_has_no_cross_tests(tmp_path: Path):
    """A single network has no cell off the diagonal."""
    run = load_run(write_run(tmp_path, method="unified"))
    assert SUMMARIES["off_diagonal_map"].of_run(run) is None
    assert SUMMARIES["worst_map"].of_run(run) == SUMMARIES["average_map"].of_run(run)
