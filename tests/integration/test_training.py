"""Training is a function of its settings: repeated, resumed or killed, the bits are the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sfsc.errors import ConfigError, DivergenceError, ResultError
from sfsc.files import lock
from sfsc.networks.build import load_network
from sfsc.provenance import write_fingerprint
from sfsc.settings.jobs import TrainJob
from sfsc.training import run
from sfsc.training.checkpoint import save_checkpoint

STAGE = "sfsc.training.run"


def fingerprint(job: TrainJob, folder: Path) -> Path:
    """Write the job's fingerprint file."""
    return write_fingerprint(
        folder / "config" / "train.json", job.model_dump(mode="json"), modules=[STAGE]
    )


def train(job: TrainJob, data_dir: Path, folder: Path) -> Path:
    """Train in this process and return the run's folder."""
    run.train(fingerprint(job, folder), data_dir=data_dir, output_dir=folder, threads=1)
    return folder


def weights(folder: Path) -> bytes:
    """Return the content of the run's weights."""
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture
def finished(job: TrainJob, data_dir: Path, tmp_path: Path) -> Path:
    """An uninterrupted run."""
    return train(job, data_dir, tmp_path / "finished")


def interrupt_behind(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the training stop right after the checkpoint of an epoch."""

    def save_and_stop(folder, model, optimizer, progress):
        save_checkpoint(folder, model, optimizer, progress)
        if progress.epoch == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(run, "save_checkpoint", save_and_stop)


def test_a_training_knows_no_tracking_store(job: TrainJob, data_dir: Path, tmp_path: Path):
    """It imports no mlflow and asks no host anything: nothing that MLflow does can hold it up."""
    program = (
        "import sys; asked = [];"
        "sys.addaudithook(lambda event, a: asked.append(event)"
        " if event in ('socket.connect', 'socket.getaddrinfo') else None);"
        "from sfsc.cli import main; code = main(sys.argv[1:]);"
        "print(code, asked, [name for name in sys.modules if name.startswith('mlflow')])"
    )
    folder = tmp_path / "run"
    arguments = ["train", "--config", fingerprint(job, folder), "--data", data_dir]
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments), "--output", str(folder)],
        env=os.environ | {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.stdout == "0 [] []\n", result.stderr


def test_same_seed_same_bits(job, data_dir, finished, tmp_path):
    """A second run has the same weights and the same records; another seed has others."""
    again = train(job, data_dir, tmp_path / "again")
    assert weights(again) == weights(finished)
    records = [pd.read_parquet(f / "training.parquet") for f in (finished, again)]
    pd.testing.assert_frame_equal(*records)
    other = train(job.model_copy(update={"seed": 1}), data_dir, tmp_path / "other")
    assert weights(other) != weights(finished)


def test_a_missing_file_of_weights_is_one_sentence(job: TrainJob, data_dir: Path, tmp_path: Path):
    """Nothing is trained and nothing is written."""
    missing = tmp_path / "none.pth"
    network = job.network.model_copy(update={"pretrained": str(missing)})
    with pytest.raises(ConfigError) as error:
        train(job.model_copy(update={"network": network}), data_dir, tmp_path / "run")
    assert str(error.value) == (
        "`network.pretrained` must be a file with a state dict, written by torch or safetensors. "
        f"Found {missing}: no such file or directory."
    )
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config"]


def test_the_record_has_the_size_of_the_images(finished: Path):
    """Whoever serves a sub-model refuses images of another size."""
    assert json.loads((finished / "run.json").read_text())["image_size"] == [16, 16]


def test_records_are_complete(finished):
    """Every step has every per-sub-model metric, every second step its cosines, all finite."""
    frame = pd.read_parquet(finished / "training.parquet")
    steps = json.loads((finished / "run.json").read_text())["steps"]
    per_switch = [
        "loss",
        "base_loss",
        "compatible_loss",
        "uncertainty",
        "gradient_norm",
        "common_norm",
    ]
    counts = frame.groupby("metric", observed=True).size()
    assert [counts[name] for name in per_switch] == [2 * steps] * 6
    assert counts["cosine_update"] == 2 * (steps // 2)
    assert counts["projection_change"] == steps // 2
    assert counts["learning_rate"] == steps
    assert [counts[f"cosine_{n}"] for n in ("common", "whole", "nested")] == [steps // 2] * 3
    layers = frame[frame.metric == "cosine_layer"].layer.nunique()
    assert counts["cosine_layer"] == layers * steps // 2
    assert np.isfinite(frame.value).all()
    assert frame[frame.metric == "uncertainty"].value.between(0, 1).all()
    assert frame[frame.metric.str.startswith("cosine")].value.between(-1, 1).all()


def test_run_record_and_network(job, finished):
    """The record holds settings, costs and validations; the network can be loaded from it."""
    record = json.loads((finished / "run.json").read_text())
    assert record["settings"] == job.model_dump(mode="json")
    assert [v["epoch"] for v in record["validation"]] == [2, 4]
    assert np.array(record["validation"][-1]["map"]).shape == (2, 2)
    assert record["macs"][0] < record["macs"][1]
    assert load_network(finished).widths == (0.25, 1.0)
    assert not (finished / "checkpoints").exists()


def test_resumed_is_uninterrupted(job, data_dir, finished, tmp_path, monkeypatch):
    """Stopped behind its second epoch and run again, it ends with the same bits and records."""
    folder = tmp_path / "resumed"
    with monkeypatch.context() as patch:
        interrupt_behind(2, patch)
        with pytest.raises(KeyboardInterrupt):
            train(job, data_dir, folder)
    assert not (folder / "model.safetensors").exists()
    train(job, data_dir, folder)
    assert weights(folder) == weights(finished)
    records = [pd.read_parquet(f / "training.parquet") for f in (finished, folder)]
    pd.testing.assert_frame_equal(*records)


@pytest.mark.parametrize("damage", ["tensors", "json", "missing"])
def test_a_damaged_checkpoint_is_passed_over(
    job, data_dir, finished, tmp_path, monkeypatch, caplog, damage: str
):
    """The checkpoint before the damaged one is used, the damage is reported, the bits are equal."""
    folder = tmp_path / "damaged"
    with monkeypatch.context() as patch:
        interrupt_behind(3, patch)
        with pytest.raises(KeyboardInterrupt):
            train(job, data_dir, folder)
    last = folder / "checkpoints" / "epoch00003.safetensors"
    if damage == "tensors":
        content = bytearray(last.read_bytes())
        content[-1] ^= 1
        last.write_bytes(content)
    elif damage == "json":
        last.with_suffix(".json").write_text("{")
    else:
        last.unlink()
    with caplog.at_level("INFO"):
        train(job, data_dir, folder)
    assert f"Checkpoint {last} is damaged; trying the one before it." in caplog.messages
    assert "Resuming after epoch 2 of 4." in caplog.messages
    assert weights(folder) == weights(finished)


def test_a_checkpoint_of_other_settings_is_not_used(job, data_dir, tmp_path, monkeypatch, caplog):
    """After a change of the settings the training starts anew."""
    folder = tmp_path / "changed"
    with monkeypatch.context() as patch:
        interrupt_behind(2, patch)
        with pytest.raises(KeyboardInterrupt):
            train(job, data_dir, folder)
    changed = job.model_copy(update={"seed": 5})
    train(changed, data_dir, folder)
    assert any("Starting anew" in message for message in caplog.messages)
    assert weights(folder) == weights(train(changed, data_dir, tmp_path / "direct"))


def test_killed_at_any_moment_it_ends_with_the_same_bits(job, data_dir, finished, tmp_path):
    """SIGKILL at random moments, each time run again: the weights of the undisturbed run."""
    folder = tmp_path / "killed"
    config = fingerprint(job, folder)
    paths = ["--config", config, "--data", data_dir, "--output", folder, "--threads", "1"]
    command = [sys.executable, "-m", "sfsc.cli", "train", *map(str, paths)]
    chance = random.Random(0)  # noqa: S311 - moments of a test
    for _ in range(3):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not list((folder / "checkpoints").glob("*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.4))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert weights(folder) == weights(finished)


def test_divergence_stops_the_run(job, data_dir, tmp_path):
    """A loss that is not finite ends the training with one sentence and no result files."""
    wild = job.train.model_copy(update={"learning_rate": 1e30, "gradient_clip": 0.0})
    with pytest.raises(DivergenceError, match="Every loss must stay finite"):
        train(job.model_copy(update={"train": wild}), data_dir, tmp_path / "wild")
    assert not list((tmp_path / "wild").glob("*.safetensors"))


def test_a_user_mistake_is_one_sentence(data_dir, tmp_path):
    """The command line prints the error without a traceback and exits with 1."""
    missing = tmp_path / "none.json"
    paths = ["--config", missing, "--data", data_dir, "--output", tmp_path / "x"]
    command = [sys.executable, "-m", "sfsc.cli", "train", *map(str, paths)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith(f"ConfigError: {missing} must be a fingerprint file")
    assert "Traceback" not in result.stderr


def test_a_training_has_its_folder_to_itself(job, data_dir, tmp_path):
    """Another one is refused, and leaves checkpoints and results as they are."""
    folder = tmp_path / "run"
    with lock(folder / "checkpoints" / "lock"):
        with pytest.raises(ResultError) as caught:
            train(job, data_dir, folder)
        assert [path.name for path in (folder / "checkpoints").iterdir()] == ["lock"]
    assert str(caught.value) == (
        f"A training must have {folder}/checkpoints to itself. Found another one at work there, "
        f"process {os.getpid()}. Wait until it ends, or stop it."
    )
    assert weights(train(job, data_dir, folder))
    assert not (folder / "checkpoints").exists()


def test_missing_weights_are_named(job, data_dir, tmp_path):
    """A file to start from that is gone is a mistake in the settings."""
    network = job.network.model_copy(update={"pretrained": "no/such.pth"})
    with pytest.raises(ConfigError) as caught:
        train(job.model_copy(update={"network": network}), data_dir, tmp_path / "run")
    assert str(caught.value) == (
        "`network.pretrained` must be a file with a state dict, written by torch or safetensors. "
        "Found no/such.pth: no such file or directory."
    )
