"""The benchmarks run and print the figures that they promise; the figures are not timed here."""

import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import aggregation, deploy, evaluate_stage, loading, pipeline, step, tracking
from benchmarks.cells import Size
from sfsc.settings.experiment import load_params

ROOT = Path(__file__).parents[2]


def test_step_measures_time_and_memory():
    """One round on small images gives positive times and a plausible extra memory."""
    job = load_params([ROOT / "params.yaml"]).resolve("sfsc", dataset="synthetic", seed=0)
    result = step.measure(job, image_size=(16, 16), rounds=1, device=torch.device("cpu"))
    assert set(step.LIMITS) < set(result)
    assert result["step_seconds"] > 0
    assert result["dense_seconds"] > 0
    assert 0 < result["extra_memory_over_gradients"] < step.LIMITS["extra_memory_over_gradients"]


def test_step_prints_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`--json` prints one object with the limits beside the figures."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(
        sys, "argv", ["step", "--json", "--rounds", "1", "--image-size", "16", "16"]
    )
    step.main()
    assert json.loads(capsys.readouterr().out)["limits"] == step.LIMITS


def test_aggregation_measures_all_implementations_on_one_jacobian():
    """Two rounds give positive times; the naive implementation's update was found to be equal."""
    job = load_params([ROOT / "params.yaml"]).resolve("sfsc", dataset="synthetic", seed=0)
    result = aggregation.measure(job, image_size=(16, 16), rounds=2, device=torch.device("cpu"))
    assert set(aggregation.LIMITS) < set(result)
    assert all(value > 0 for value in result.values())
    assert result["memory_over_torchjd"] < aggregation.LIMITS["memory_over_torchjd"]


def test_tracking_measures_a_training_beside_a_hung_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A training of one epoch, alone and followed."""
    monkeypatch.chdir(ROOT)
    result = tracking.measure(tracking.Trainings(tmp_path, epochs=1), rounds=1)
    assert set(tracking.LIMITS) < set(result)
    assert result["slowdown"] > 0
    assert 0 <= result["follower_share"] < 1
    assert result["processor_seconds_alone"] > 0


def test_deploy_measures_latency_indexing_and_search():
    """Small networks and a small gallery: every figure that has a limit, and positive times."""
    widths = (0.25, 1.0)
    result = {
        **deploy.measure_latency("small_resnet", (24, 24), widths, ""),
        **deploy.measure_index(2, "small_resnet", (24, 24)),
        **deploy.measure_search(1000, n_queries=3),
    }
    assert set(deploy.LIMITS) < set(result)
    assert all(value > 0 for value in result.values())


@pytest.mark.parametrize("is_reranked", [False, True])
def test_evaluator_measures_all_tests_of_a_run(is_reranked: bool):
    """A small test split: its time, its peak memory, and a result."""
    size = Size(queries=40, gallery=300, identities=20, cameras=4, distractors=10)
    result = evaluate_stage.measure(size, is_reranked=is_reranked)
    assert set(evaluate_stage.LIMITS) < set(result)
    assert result["seconds"] > 0
    assert result["embeddings_bytes"] == 4 * 340 * 512 * 4
    assert 2**24 < result["peak_bytes"] < 2**30
    assert result["mean_average_precision"] > (0.5 if is_reranked else 0.05)


def test_loading_measures_speed_and_memory(tmp_path: Path):
    """A small set gives positive figures; what was read of it is less than what was resident."""
    job = load_params([ROOT / "params.yaml"]).resolve("sfsc", dataset="synthetic", seed=0)
    (tmp_path / "timed").mkdir()
    result = loading.measure_loading(tmp_path / "timed", images=400, rounds=1)
    result["step"] = loading.measure_consumption(job, image_size=(16, 16))
    path = tmp_path / "images.npy"
    result |= loading.measure_memory(path, images=400, random_images=64)
    assert all(value > 0 for value in result.values())
    assert result["peak_resident_gib"] < loading.LIMITS["peak_resident_gib"]


def test_pipeline_reads_the_useful_seconds_of_a_log(tmp_path: Path):
    """Embedding and ranking count, other lines do not; a log without them has none."""
    log = tmp_path / "embed.log"
    log.write_text("embedding and ranking took 1.750 s\ndrawing took 9.000 s\n")
    assert pipeline.read_useful_seconds(log) == 1.75
    log.write_text("")
    assert pipeline.read_useful_seconds(log) == 0
