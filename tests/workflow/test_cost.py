"""The benchmark of the pipeline adds up what the jobs of a finished study took."""

import json
from pathlib import Path

import pytest

from benchmarks import pipeline

from workspaces import Workspace

pytestmark = pytest.mark.slow

OVERLAYS = ["study.yaml"]


def test_the_study_at_hand_is_measured(changed: Workspace):
    """Every kind of job is there; a tiny study is mostly overhead."""
    result = pipeline.measure(changed.folder, OVERLAYS)
    kinds = result["kinds"]
    assert kinds.keys() == {
        *("prepare", "train", "assemble", "evaluate", "figures", "tables", "claims"),
        *("measure", "escalation", "cost", "report", "track", "snakemake"),
    }
    assert (kinds["train"]["jobs"], kinds["evaluate"]["jobs"]) == (7, 6)
    assert all(kinds[kind]["useful_seconds"] > 0 for kind in ("train", "assemble", "evaluate"))
    assert all(kind["useful_seconds"] < kind["core_seconds"] for kind in kinds.values())
    assert 0 < result["useful_share"] < 1
    assert result["measured"] == "finished study"


def test_a_study_that_is_not_complete_is_sampled(
    finished: Workspace, changed: Workspace, monkeypatch: pytest.MonkeyPatch
):
    """A job of the sample stands for those of its rule in the study."""

    def run_sample(_root: Path, _overlays: list[str], copy: Path) -> list[dict[str, str]]:
        finished.copy(copy).command()
        return pipeline.list_files(copy, OVERLAYS)

    changed.study["seeds"] = [0, 1]
    changed.command()
    monkeypatch.setattr(pipeline, "run_sample", run_sample)
    result = pipeline.measure(changed.folder, OVERLAYS)
    assert result["measured"] == "one seed of the study"
    kinds = result["kinds"]
    assert {kind: kinds[kind]["jobs"] for kind in ("train", "assemble", "evaluate", "report")} == {
        "train": 12, "assemble": 4, "evaluate": 10, "report": 1
    }  # fmt: skip


def test_the_result_is_printed(
    changed: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """As one JSON object with the limit beside the figure, or as a table."""
    monkeypatch.chdir(changed.folder)
    monkeypatch.setattr("sys.argv", ["pipeline", "--configfile", *OVERLAYS, "--json"])
    pipeline.main()
    result = json.loads(capsys.readouterr().out)
    assert result["limits"] == {"useful_share": 0.9}
    lines = list(pipeline.report(result, result["kinds"]))
    assert lines[0].split() == ["jobs", "number", "core", "s", "useful", "s", "rest", "s"]
    assert len(lines) == len(result["kinds"]) + 3
