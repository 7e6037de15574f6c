"""The rows of the ablation and the robustness table: which run is compared with which."""

from pathlib import Path

import numpy as np
import pytest

from sfsc.reporting.runs import Results
from sfsc.reporting.tables.variations import variation_frame, variation_tables
from sfsc.reporting.tables.write import read_runs_table
from sfsc.settings.jobs import StudyJob


def test_ablation_rows_are_effects_on_the_compared_row(reports: Path):
    """The unchanged row has none; a condition that is another compared row is shown with it."""
    frame = read_runs_table(reports / "tables" / "ablation.csv")
    rows = frame[frame["variation"] == "parts"].set_index("condition")
    assert list(rows.index) == ["both", "without_compatible", "without_projection", "neither"]
    assert np.isnan(rows["effect"]["both"])
    assert (rows["ours"]["neither"], rows["against"]["neither"]) == ("bct_s", "sfsc")
    assert rows["change"]["neither"] == ("`aggregation` sum (not projection), no `compatible`")
    gap = rows["average_map_mean"]["without_compatible"] - rows["average_map_mean"]["both"]
    assert rows["effect"]["without_compatible"] == pytest.approx(gap, abs=1e-3)
    assert (rows["ci_low"] < rows["effect"]).drop("both").all()
    markdown = (reports / "tables" / "ablation.md").read_text()
    assert "**synthetic: parts**" in markdown
    assert "| without projection | SFSC |" in markdown


def test_robustness_rows_are_sfsc_minus_the_method_under_the_same_condition(reports: Path):
    """Where SFSC alone is varied: minus BCT-S as it is compared."""
    frame = read_runs_table(reports / "tables" / "robustness.csv")
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
    conditions = job.ablation["granularity"][1:]
    changed = job.model_copy(update={"ablation": {"granularity": conditions}})
    frame = variation_frame("ablation", [Results(changed, study, "synthetic")])
    assert list(frame["condition"]) == ["base", "whole", "layer", "kernel"]


def test_a_condition_that_sfsc_does_not_have_is_compared_with_nothing(job: StudyJob, study: Path):
    """Only the unchanged method is compared with SFSC as it is."""
    conditions = [c for c in job.robustness["base_loss"] if c.method == "bct_s"]
    changed = job.model_copy(update={"robustness": {"base_loss": tuple(conditions)}})
    frame = variation_frame("robustness", [Results(changed, study, "synthetic")])
    is_unchanged = frame["run"] == "bct_s"
    assert list(frame[is_unchanged]["ours"]) == ["sfsc"]
    assert list(frame[~is_unchanged]["effect"].isna()) == [True] * (len(frame) - 1)
    assert len(frame) > 1


def test_a_study_without_effects_has_no_column_for_them(reports: Path):
    """A column of dashes says nothing."""
    frame = read_runs_table(reports / "tables" / "robustness.csv")
    heads = [
        variation_tables("robustness", rows)[0].head
        for rows in (frame, frame.assign(effect=np.nan))
    ]
    assert "SFSC minus the method" in heads[0]
    assert heads[1] == ("condition", "method", "mAP", "seeds", "changed settings")
