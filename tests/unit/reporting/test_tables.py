"""One frame, the same in every format."""

import csv
import json
from pathlib import Path

import pytest
from result_files import write_run

from sfsc.reporting.main_table import main_frame, table_rows
from sfsc.reporting.runs import load_groups
from sfsc.reporting.tables import write_tables


def set_level(folder: Path, level: float) -> Path:
    """Make every metric of a run one number."""
    path = folder / "cross_test.json"
    test = json.loads(path.read_text())
    n = len(test["matrices"]["map_step"])
    test["matrices"] = dict.fromkeys(test["matrices"], [[level] * n] * n)
    is_number = {key: value is not None for key, value in test["summary"].items()}
    test["summary"] = {key: level if known else None for key, known in is_number.items()}
    path.write_text(json.dumps(test))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Full alone at 90 %, unified at 50 %, SFSC at 60 and 62 %."""
    return [
        set_level(write_run(tmp_path, method="full_alone"), 0.9),
        set_level(write_run(tmp_path, method="unified"), 0.5),
        set_level(write_run(tmp_path, method="sfsc"), 0.6),
        set_level(write_run(tmp_path, method="sfsc", seed=7), 0.62),
    ]


def test_the_csv_holds_means_and_sample_deviations_in_percent(runs: list[Path], tmp_path: Path):
    """One seed has no deviation, one network no cross-tests: empty cells."""
    write_tables(runs, tmp_path / "tables" / "main.csv", tmp_path / "metrics.json")
    with (tmp_path / "tables" / "main.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    sfsc, unified = rows["sfsc"], rows["unified"]
    assert float(sfsc["average_map_mean"]) == pytest.approx(61)
    assert float(sfsc["average_map_std"]) == pytest.approx(2**0.5, abs=1e-4)
    assert (sfsc["dataset"], sfsc["n_seeds"], sfsc["seeds"]) == ("synthetic", "2", "0 7")
    assert (sfsc["average_precision"], sfsc["classifier_gradient"]) == ("step", "full")
    assert (unified["average_map_std"], unified["off_diagonal_map_mean"]) == ("", "")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["synthetic"]["sfsc"]["average_map_mean"] == pytest.approx(61)
    assert "off_diagonal_map_mean" not in metrics["synthetic"]["unified"]


def test_markdown_and_latex_show_the_same_cells(runs: list[Path], tmp_path: Path):
    """The best is bold; the full network alone does not compete."""
    write_tables(runs, tmp_path / "main.csv", tmp_path / "metrics.json")
    markdown = (tmp_path / "main.md").read_text()
    latex = (tmp_path / "main.tex").read_text()
    assert "| Full alone | – | 1 | 90.0 | 90.0 | – | 90.0 | 90.0 | 90.0 |" in markdown  # noqa: RUF001
    assert "| SFSC (ours) | full | 2 | **61.0 ± 1.4** |" in markdown
    assert r"SFSC (ours) & full & 2 & \textbf{61.0 $\pm$ 1.4} &" in latex
    assert "step definition" in markdown
    assert "step definition" in latex


def test_the_best_is_marked_within_each_data_set(runs: list[Path], tmp_path: Path):
    """A higher number elsewhere takes no mark away."""
    other = set_level(write_run(tmp_path, dataset="omniglot", method="bct_s"), 0.8)
    tables = table_rows(main_frame(load_groups([*runs, other])))
    best = {
        (dataset, row.method): row.cells["average_map"].is_best
        for dataset, rows in tables.items()
        for row in rows
    }
    assert best == {
        ("synthetic", "full_alone"): False,
        ("synthetic", "unified"): False,
        ("synthetic", "sfsc"): True,
        ("omniglot", "bct_s"): True,
    }
