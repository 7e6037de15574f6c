"""One frame, the same in every format."""

import csv
import json
from pathlib import Path

import pytest
from result_files import set_level, small_job, write_run

from sfsc.errors import ResultError
from sfsc.reporting.tables.write import read_runs_table, write_tables

JOB = small_job("full_alone", "unified", "sfsc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Full alone at 69 %, unified at 50 and 52 %, SFSC at 60 and 62 %."""
    root = tmp_path / "results"
    for method, levels in {
        "full_alone": (0.69, 0.69),
        "unified": (0.5, 0.52),
        "sfsc": (0.6, 0.62),
    }.items():
        for seed, level in enumerate(levels):
            set_level(write_run(root, method=method, seed=seed), level)
    return root


def test_the_csv_holds_means_and_sample_deviations_in_percent(root: Path, tmp_path: Path):
    """One network has no cross-tests: an empty cell."""
    write_tables(JOB, root, tmp_path / "tables", tmp_path / "metrics.json", [])
    with (tmp_path / "tables" / "main.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    sfsc, unified = rows["sfsc"], rows["unified"]
    assert float(sfsc["average_map_mean"]) == pytest.approx(61)
    assert float(sfsc["average_map_std"]) == pytest.approx(2**0.5, abs=1e-4)
    assert (sfsc["dataset"], sfsc["n_seeds"], sfsc["seeds"]) == ("synthetic", "2", "0 1")
    assert (sfsc["average_precision"], sfsc["classifier_gradient"]) == ("step", "full")
    assert unified["off_diagonal_map_mean"] == ""
    assert unified["leads"] == ""
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["synthetic"]["sfsc"]["average_map_mean"] == pytest.approx(61)
    assert "off_diagonal_map_mean" not in metrics["synthetic"]["unified"]


def test_markdown_and_latex_show_the_same_cells(root: Path, tmp_path: Path):
    """The best is bold; the full network alone does not compete; the caption says what matters."""
    write_tables(JOB, root, tmp_path, tmp_path / "metrics.json", [])
    markdown, latex = ((tmp_path / f"main.{suffix}").read_text() for suffix in ("md", "tex"))
    assert "| Full alone | 69.0 ± 0.0 | 69.0 ± 0.0 | – |" in markdown  # noqa: RUF001
    assert "| SFSC (ours) | **61.0 ± 1.4** |" in markdown
    assert r"SFSC (ours) & \textbf{61.0 $\pm$ 1.4} &" in latex
    for words in ("step definition", "Seeds: 0 1.", "Equal for all methods", "Hyper-parameters"):
        assert words in markdown
        assert words in latex


def test_a_study_without_variations_says_so(root: Path, tmp_path: Path):
    """The files exist even then: the outputs of a rule do not depend on the study."""
    write_tables(JOB, root, tmp_path, tmp_path / "metrics.json", [])
    assert (tmp_path / "ablation.md").read_text() == "This study has no ablation conditions.\n"
    assert (tmp_path / "robustness.tex").read_text() == (
        "% This study has no robustness conditions.\n"
    )
    assert read_runs_table(tmp_path / "ablation.csv").empty


def test_a_study_of_single_networks_has_no_conflicts(root: Path, tmp_path: Path):
    """Neither have networks of a width each: a table of the columns alone, and a sentence."""
    write_run(root, method="independent")
    job = small_job("unified", "independent", seeds=(0,))
    write_tables(job, root, tmp_path, tmp_path / "metrics.json", [])
    assert read_runs_table(tmp_path / "conflicts.csv").empty
    assert (tmp_path / "conflicts.md").read_text() == (
        "This study has no network with several sub-models.\n"
    )


def test_a_damaged_table_is_refused(tmp_path: Path):
    """The sentence names it."""
    path = tmp_path / "main.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ResultError, match=r"main\.csv must be a table written by `sfsc tables`"):
        read_runs_table(path)
