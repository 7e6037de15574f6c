"""The moving average of the weights is what is validated, saved and resumed."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sfsc.data.prepared import PreparedSet
from sfsc.data.transforms import to_float
from sfsc.provenance import write_fingerprint
from sfsc.settings.jobs import TrainJob
from sfsc.training import run
from sfsc.training.averaging import estimate_statistics
from sfsc.training.build import build_training
from sfsc.training.checkpoint import save_checkpoint
from sfsc.training.loop import train_epoch


@pytest.fixture
def averaged(job: TrainJob) -> TrainJob:
    """A training whose average keeps half of itself in each step."""
    return job.model_copy(update={"train": job.train.model_copy(update={"average_decay": 0.5})})


def train(job: TrainJob, data_dir: Path, folder: Path) -> bytes:
    """Train and return the weights' file."""
    config = write_fingerprint(
        folder / "config" / "train.json", job.model_dump(mode="json"), modules=["sfsc.training.run"]
    )
    run.train(config, data_dir=data_dir, output_dir=folder, threads=1)
    return (folder / "model.safetensors").read_bytes()


def test_the_average_is_the_geometric_one_of_the_steps(averaged, data_dir):
    """It starts at the weights after the first step and keeps half of itself in each other one."""
    training = build_training(averaged, PreparedSet.open(data_dir))
    classifiers: list[torch.Tensor] = []
    train_epoch(
        training, 0, write=lambda _: classifiers.append(training.model.classifier.detach().clone())
    )
    expected = classifiers[0]
    for classifier in classifiers[1:]:
        expected = 0.5 * expected + 0.5 * classifier
    torch.testing.assert_close(training.result.classifier.detach(), expected)


def test_statistics_are_those_of_the_average(averaged, data_dir):
    """The first batch norm of each sub-model has the mean of the average's maps over all images."""
    training = build_training(averaged, PreparedSet.open(data_dir))
    train_epoch(training, 0)
    estimate_statistics(training)
    backbone = training.result.network.backbone
    norms = [m for m in backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    inputs: list[torch.Tensor] = []
    hook = norms[0].register_forward_pre_hook(lambda _, x: inputs.append(x[0]))
    with torch.no_grad():
        backbone(to_float(training.images[training.rows]), 0)
    hook.remove()
    torch.testing.assert_close(norms[0].running_mean, inputs[0].mean(dim=(0, 2, 3)))


def test_the_training_leaves_the_average(averaged, job, data_dir, tmp_path):
    """It moves as without an average, and saves other weights."""
    train(averaged, data_dir, tmp_path / "averaged")
    train(job, data_dir, tmp_path / "last")
    curves = [(tmp_path / name / "training.parquet").read_bytes() for name in ("averaged", "last")]
    assert curves[0] == curves[1]
    average, last = (
        load_file(tmp_path / name / "model.safetensors") for name in ("averaged", "last")
    )
    assert average.keys() == last.keys()
    assert not torch.equal(average["classifier"], last["classifier"])


def test_resumed_is_uninterrupted(averaged, data_dir, tmp_path, monkeypatch):
    """A checkpoint holds the average, too: the bits at the end are the same."""
    whole = train(averaged, data_dir, tmp_path / "whole")

    def save_and_stop(folder, model, optimizer, progress):
        save_checkpoint(folder, model, optimizer, progress)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "save_checkpoint", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(averaged, data_dir, tmp_path / "resumed")
    assert train(averaged, data_dir, tmp_path / "resumed") == whole
