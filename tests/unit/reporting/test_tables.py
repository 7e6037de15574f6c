"""One frame, the same in every format."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from result_files import small_job, write_run, write_test

from sfsc.config import StudyJob
from sfsc.errors import ResultError
from sfsc.reporting.main_table import main_frame
from sfsc.reporting.runs import Results
from sfsc.reporting.tables import read_frame, write_tables

JOB = small_job("full_alone", "unified", "sfsc")


def set_level(folder: Path, level: float, wobble: float = 0.0) -> None:
    """Make mAP one number in every cell, of half of the queries more and of half of them less."""
    n = len(json.loads((folder / "run.json").read_text())["widths"])
    offsets = np.resize([wobble, -wobble], 40)
    write_test(folder, level + np.tile(offsets[:, None, None], (1, n, n)))


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
    write_tables(JOB, root, tmp_path / "tables", tmp_path / "metrics.json", None)
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
    write_tables(JOB, root, tmp_path, tmp_path / "metrics.json", None)
    markdown, latex = ((tmp_path / f"main.{suffix}").read_text() for suffix in ("md", "tex"))
    assert "| Full alone | – | 2 | 69.0 ± 0.0 | 69.0 ± 0.0 | – |" in markdown  # noqa: RUF001
    assert "| SFSC (ours) | full | 2 | **61.0 ± 1.4** |" in markdown
    assert r"SFSC (ours) & full & 2 & \textbf{61.0 $\pm$ 1.4} &" in latex
    for words in ("step definition", "Seeds: 0 1.", "Equal for all methods", "Hyper-parameters"):
        assert words in markdown
        assert words in latex


def test_a_lead_that_other_seeds_may_turn_is_not_bold(tmp_path: Path):
    """The interval of the effect on the second best contains 0."""
    for method, levels in {"unified": (0.6, 0.6), "sfsc": (0.59, 0.62)}.items():
        for seed, level in enumerate(levels):
            set_level(write_run(tmp_path, method=method, seed=seed), level)
    frame = main_frame(Results(small_job("unified", "sfsc"), tmp_path, "synthetic").compared())
    assert frame.set_index("method")["average_map_mean"]["sfsc"] == pytest.approx(60.5)
    assert "average_map" not in frame.set_index("method")["leads"]["sfsc"]


def test_one_seed_is_never_bold(tmp_path: Path):
    """Queries alone say nothing about the next training."""
    for method, level in (("unified", 0.5), ("sfsc", 0.6)):
        set_level(write_run(tmp_path, method=method), level)
    job = small_job("unified", "sfsc", seeds=(0,))
    assert set(main_frame(Results(job, tmp_path, "synthetic").compared())["leads"]) == {""}


def test_the_best_is_marked_within_each_data_set(tmp_path: Path):
    """A higher number elsewhere takes no mark away."""
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


def test_ablation_rows_are_effects_on_the_compared_row(reports: Path):
    """The unchanged row has none; a condition that is another compared row is shown with it."""
    frame = read_frame(reports / "tables" / "ablation.csv")
    rows = frame[frame["variation"] == "parts"].set_index("condition")
    assert list(rows.index) == ["both", "without_compatible", "without_projection", "neither"]
    assert np.isnan(rows["effect"]["both"])
    assert (rows["ours"]["neither"], rows["against"]["neither"]) == ("bct_s", "sfsc")
    assert rows["change"]["neither"] == (
        "`compatible_weight` 0 (not 1), `aggregator` sum (not projection)"
    )
    gap = rows["average_map_mean"]["without_compatible"] - rows["average_map_mean"]["both"]
    assert rows["effect"]["without_compatible"] == pytest.approx(gap, abs=1e-3)
    assert (rows["ci_low"] < rows["effect"]).drop("both").all()
    markdown = (reports / "tables" / "ablation.md").read_text()
    assert "**synthetic: parts**" in markdown
    assert "| without projection | SFSC |" in markdown


def test_robustness_rows_are_sfsc_minus_the_method_under_the_same_condition(reports: Path):
    """Where SFSC alone is varied: minus BCT-S as it is compared."""
    frame = read_frame(reports / "tables" / "robustness.csv")
    pairs = {
        (row["variation"], row["condition"], row["method"]): (row["ours"], row["against"])
        for _, row in frame.dropna(subset=["effect"]).iterrows()
    }
    assert pairs["kl_weight", "0", "sfsc"] == ("sfsc@kl_weight=0", "bct_s")
    assert pairs["kl_weight", "0.0005", "sfsc"] == ("sfsc", "bct_s")
    assert pairs["base_loss", "arcface", "bct_s"] == (
        "sfsc@base_loss=arcface",
        "bct_s@base_loss=arcface",
    )
    assert ("base_loss", "arcface", "sfsc") not in pairs
    assert len(pairs) == 5 + 3


def test_the_unchanged_row_is_added_where_it_is_no_condition(job: StudyJob, study: Path):
    """A list of values need not contain the one that is compared."""
    from sfsc.reporting.variation_tables import ablation_frame

    conditions = job.ablation["granularity"][1:]
    changed = job.model_copy(update={"ablation": {"granularity": conditions}})
    frame = ablation_frame([Results(changed, study, "synthetic")])
    assert list(frame["condition"]) == ["base", "whole", "layer", "kernel"]


def test_a_study_without_variations_says_so(root: Path, tmp_path: Path):
    """The files are there all the same: a rule's outputs do not depend on the study."""
    write_tables(JOB, root, tmp_path, tmp_path / "metrics.json", None)
    assert (tmp_path / "ablation.md").read_text() == "This study has no ablation conditions.\n"
    assert (tmp_path / "robustness.tex").read_text() == (
        "% This study has no robustness conditions.\n"
    )
    assert read_frame(tmp_path / "ablation.csv").empty


def test_a_damaged_table_is_refused(tmp_path: Path):
    """The sentence names it."""
    path = tmp_path / "main.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ResultError, match=r"main\.csv must be a table written by `sfsc tables`"):
        read_frame(path)
