"""The benchmarks run and print the figures that they promise; the figures are not timed here."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import aggregation, loading, step, tracking
from sfsc.params import load_params

ROOT = Path(__file__).parents[2]


def test_step_measures_time_and_memory():
    """One round on small images gives positive times and a plausible extra memory."""
    job = load_params([ROOT / "params.yaml"]).resolve("sfsc", dataset="synthetic", seed=0)
    result = step.measure(job, image_size=(16, 16), rounds=1)
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
    result = aggregation.measure(job, image_size=(16, 16), rounds=2)
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
    assert 0.5 < result["slowdown"] < 2
    assert 0 <= result["follower_share"] < 1
    assert result["processor_seconds_alone"] > 0


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
