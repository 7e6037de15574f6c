"""What a GPU machine switches on, through the whole pipeline: 16 bits, processes, checkpointing."""

import json
from pathlib import Path

import pytest

from workspaces import Workspace

pytestmark = pytest.mark.slow

TARGET = "results/tiny/synthetic/sfsc/seed0/cross_test.json"


def test_the_recipe_of_large_trainings_runs(tmp_path: Path):
    """Two processes, fp16, gradient checkpointing, re-ranked tests."""
    workspace = Workspace.make(tmp_path)
    workspace.study["train"] |= {
        "precision": "fp16", "processes": 2, "gradient_checkpointing": True, "epochs": 1
    }  # fmt: skip
    workspace.study["evaluate"] = {
        "reranking": {"name": "k_reciprocal", "k1": 5, "k2": 2, "original_weight": 0.3}
    }
    result = workspace.run("--", TARGET)
    assert result.returncode == 0, result.stdout
    run = json.loads((tmp_path / TARGET).with_name("run.json").read_text())
    assert run["settings"]["train"]["processes"] == 2
    assert run["threads"] == 1
    test = json.loads((tmp_path / TARGET).read_text())
    assert test["reranking"] == workspace.study["evaluate"]["reranking"]
    assert 0 < test["summary"]["average_map"] <= 1


def test_a_gpu_is_asked_for_where_one_trains(tmp_path: Path):
    """A dry run plans as many as there are processes, and one to evaluate."""
    workspace = Workspace.make(tmp_path)
    workspace.study["train"] |= {"device": "cuda", "processes": 2}
    result = workspace.run("--dry-run", "--resources", "gpu=2", "--", TARGET)
    assert result.returncode == 0, result.stdout
    assert "Train sfsc/seed0 on synthetic (threads: 2, GPUs: 2)" in result.stdout
    assert "Test sfsc/seed0 on synthetic (threads: 1, GPUs: 1)" in result.stdout
