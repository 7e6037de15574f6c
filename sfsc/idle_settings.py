"""Settings that nothing of a training reads, and the losses that it thus never calls.

A row of `methods` has all keys of its sections, and most rows use some of them: the margin of a
triplet loss whose weight is 0 changes no weight of a network. Such keys get one fixed value in the
slice that a training depends on, so that a change of theirs reruns the trainings that they change
and no other, and that two rows which train alike are known to be the same training.
"""

from collections.abc import Iterator
from typing import Any

from sfsc.config import TrainJob

FIXED: dict[str, dict[str, Any]] = {
    "loss": {
        "scale": 1.0,
        "margin": 0.0,
        "triplet_margin": 0.0,
        "submodel_base_weight": 1.0,
        "influence_weight": 0.0,
        "asymmetric": "regression",
        "asymmetric_weight": 0.0,
        "asymmetric_margin": 0.0,
        "asymmetric_detach": True,
        "compatible_weight": 0.0,
        "compatible_on": "submodels",
        "kl_weight": 0.0,
        "kl_ramp": 0.0,
        "classifier_gradient": "full",
    },
    "aggregation": {"aggregator": "sum", "granularity": "nested", "reduction": "mean"},
    "train": {"milestones": (), "cuda_graphs": False},
}
"""What an idle key is set to."""


def idle_settings(job: TrainJob, *, is_alone: bool = False) -> dict[str, tuple[str, ...]]:
    """Return the keys of each section that nothing of a training reads.

    A weight of 0 that makes other keys idle is in use itself.

    Args:
        job: Of a network, or of a run.
        is_alone: Whether each of the run's widths is a network of its own.
    """
    is_alone = is_alone or len(job.network.widths) == 1
    return {
        "loss": tuple(_idle_in_loss(job, is_alone=is_alone)),
        "aggregation": tuple(_idle_in_aggregation(job, is_alone=is_alone)),
        "train": tuple(_idle_in_train(job)),
    }


def without_idle_settings(job: TrainJob, *, is_alone: bool = False) -> TrainJob:
    """Return a training with all idle settings at their fixed values: it trains the same.

    Args:
        job: Of a network, or of a run.
        is_alone: Whether each of the run's widths is a network of its own.
    """
    sections = {
        name: getattr(job, name).model_copy(update={key: FIXED[name][key] for key in keys})
        for name, keys in idle_settings(job, is_alone=is_alone).items()
    }
    return job.model_copy(update=sections)


def uncalled_modules(job: TrainJob) -> list[str]:
    """Return the modules that training imports and, with these settings, calls nothing of.

    Args:
        job: Without idle settings.
    """
    loss = job.loss
    is_called = {
        "sfsc.losses.asymmetric": loss.asymmetric_weight > 0,
        "sfsc.losses.compatible": loss.compatible_weight > 0,
        "sfsc.losses.triplet": loss.triplet_weight > 0,
        "sfsc.networks.pretrained": job.network.pretrained is not None,
        "sfsc.networks.recompute": job.train.gradient_checkpointing,
        "sfsc.networks.weight_files": job.network.pretrained is not None,
        "sfsc.training.replay": job.train.cuda_graphs,
    }
    return [module for module, called in is_called.items() if not called]


def _idle_in_loss(job: TrainJob, *, is_alone: bool) -> Iterator[str]:
    """Yield the keys of `loss` that are idle; a network alone is a full model and no sub-model."""
    loss = job.loss
    if loss.base == "softmax":
        yield from ("scale", "margin")
    if loss.triplet_weight == 0:
        yield "triplet_margin"
    if is_alone:
        yield from ("submodel_base_weight", "classifier_gradient")
    yield from _idle_towards_target(job, has_target=job.reference is not None or not is_alone)
    if is_alone and loss.compatible_on == "submodels":
        yield "compatible_weight"
    if loss.compatible_weight == 0 or (is_alone and loss.compatible_on == "submodels"):
        yield from ("compatible_on", "kl_weight", "kl_ramp")
    elif loss.kl_weight == 0:
        yield "kl_ramp"


def _idle_towards_target(job: TrainJob, *, has_target: bool) -> Iterator[str]:
    """Yield what is idle of the losses that draw a sub-model to a reference or the full one."""
    loss = job.loss
    if not has_target:
        yield from ("influence_weight", "asymmetric_weight")
    if loss.asymmetric_weight == 0 or not has_target:
        yield from ("asymmetric", "asymmetric_margin", "asymmetric_detach")
        return
    if loss.asymmetric == "regression":
        yield "asymmetric_margin"
    if job.reference is not None:  # frozen: there is nothing to detach
        yield "asymmetric_detach"


def _idle_in_train(job: TrainJob) -> Iterator[str]:
    if job.train.schedule != "step":
        yield "milestones"
    if job.train.device == "cpu":
        yield "cuda_graphs"


def _idle_in_aggregation(job: TrainJob, *, is_alone: bool) -> Iterator[str]:
    if is_alone:  # one gradient
        yield from ("aggregator", "granularity", "reduction")
    elif job.aggregation.aggregator in {"sum", "mean"}:
        yield from ("granularity", "reduction")
