"""A setting that is called idle changes nothing, and any other is not called so."""

from pathlib import Path

import pandas as pd
import pytest

from sfsc.config import TrainJob
from sfsc.idle_settings import uncalled_modules, without_idle_settings
from sfsc.provenance import write_fingerprint
from sfsc.training import run

from sections import loss_section


def changed(job: TrainJob, **sections: dict[str, object]) -> TrainJob:
    """Return a job with some keys of some sections changed."""
    update = {
        name: getattr(job, name).model_copy(update=values) for name, values in sections.items()
    }
    return job.model_copy(update=update)


def result(job: TrainJob, data_dir: Path, folder: Path) -> tuple[bytes, pd.DataFrame]:
    """Train one epoch; return the weights and the records."""
    one_epoch = changed(job, train={"epochs": 1, "validate_every": 1})
    path = folder / "config" / "train.json"
    write_fingerprint(path, one_epoch.model_dump(mode="json"), modules=["sfsc.training.run"])
    run.train(path, data_dir=data_dir, output_dir=folder, threads=1)
    return (folder / "model.safetensors").read_bytes(), pd.read_parquet(folder / "training.parquet")


ASYMMETRIC = {"asymmetric_weight": 1.0, "asymmetric": "regression", "compatible_weight": 0.0}
IDLE = {
    "softmax has no margin": ({}, {"loss": {"scale": 3.0, "margin": 0.7}}),
    "no triplet loss": ({}, {"loss": {"triplet_margin": 0.9}}),
    "no asymmetric loss": (
        {},
        {
            "loss": {
                "asymmetric": "triplet",
                "asymmetric_margin": 0.9,
                "asymmetric_detach": False,
            }
        },
    ),
    "regression has no margin": ({"loss": ASYMMETRIC}, {"loss": {"asymmetric_margin": 0.9}}),
    "no compatible loss": (
        {"loss": {"compatible_weight": 0.0}},
        {"loss": {"compatible_on": "all", "kl_weight": 0.5, "kl_ramp": 1.0}},
    ),
    "no KL term": ({"loss": {"kl_weight": 0.0}}, {"loss": {"kl_ramp": 1.0}}),
    "the mean has no granularity": (
        {"aggregation": {"aggregator": "mean"}},
        {"aggregation": {"granularity": "whole", "reduction": "mean"}},
    ),
    "one sub-model": (
        {"network": {"widths": (1.0,)}},
        {
            "loss": {
                "submodel_base_weight": 3.0,
                "influence_weight": 1.0,
                "asymmetric_weight": 1.0,
                "classifier_gradient": "all",
                "kl_weight": 0.5,
            },
            "aggregation": {"aggregator": "mean"},
        },
    ),
    "the cosine has no milestones": ({}, {"train": {"milestones": (0.1, 0.2)}}),
}


@pytest.mark.parametrize("name", IDLE)
def test_an_idle_setting_changes_nothing(name: str, job: TrainJob, data_dir: Path, tmp_path: Path):
    """The same weights bit for bit, the same records, and the same slice."""
    base = changed(job, **IDLE[name][0])
    other = changed(base, **IDLE[name][1])
    assert other != base
    assert without_idle_settings(other) == without_idle_settings(base)
    weights, records = result(base, data_dir, tmp_path / "base")
    for index, variant in enumerate([other, without_idle_settings(base)]):
        same_weights, same_records = result(variant, data_dir, tmp_path / f"{index}")
        assert same_weights == weights
        pd.testing.assert_frame_equal(same_records, records)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": {"evidence": "exp"}},  # of the recorded uncertainty, in every training
        {"loss": {"compatible_weight": 0.5}},
        {"loss": {"kl_weight": 0.5}},
        {"loss": {"triplet_weight": 0.5}},
        {"loss": {"influence_weight": 0.5}},
        {"loss": {"classifier_gradient": "all"}},
        {"aggregation": {"granularity": "whole"}},
        {"aggregation": {"reduction": "mean"}},
        {"train": {"warmup": 0.3}},
    ],
    ids=str,
)
def test_a_setting_in_use_is_not_idle(changes: dict[str, dict[str, object]], job: TrainJob):
    """It stays in the slice."""
    assert without_idle_settings(changed(job, **changes)) != without_idle_settings(job)


def test_what_is_off_is_not_called(job: TrainJob):
    """Editing it does not retrain what has it switched off."""
    off = job.model_copy(update={"loss": loss_section(triplet_weight=0.0, compatible_weight=0.0)})
    assert uncalled_modules(off) == [
        "sfsc.losses.asymmetric",
        "sfsc.losses.compatible",
        "sfsc.losses.triplet",
        "sfsc.networks.pretrained",
        "sfsc.networks.recompute",
        "sfsc.networks.weight_files",
        "sfsc.training.replay",
    ]
    on = loss_section(triplet_weight=1.0, compatible_weight=1.0, asymmetric_weight=1.0)
    network = job.network.model_copy(update={"pretrained": "weights.pth"})
    train = job.train.model_copy(update={"gradient_checkpointing": True, "cuda_graphs": True})
    everything = {"loss": on, "network": network, "train": train}
    assert uncalled_modules(job.model_copy(update=everything)) == []
