"""The one training loop that serves every method (DESIGN.md 2.4): epochs of steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sfsc import parts
from sfsc.aggregation.base import Aggregator
from sfsc.aggregation.build import build_aggregator
from sfsc.config import Train, TrainJob
from sfsc.data.augmentation import Augment, build_augmentation
from sfsc.data.packed import read_images
from sfsc.data.prepared import PreparedSet
from sfsc.data.samplers import epoch_length, pk_batches
from sfsc.determinism import generator_for, seed_of
from sfsc.errors import ConfigError
from sfsc.losses.compatible import rising_kl_weight
from sfsc.networks.build import EmbeddingNetwork, channels_last
from sfsc.networks.pretrained import load_pretrained
from sfsc.networks.recompute import recompute_activations
from sfsc.training.model import IdentityModel
from sfsc.training.parallel import Processes
from sfsc.training.precision import LossScale
from sfsc.training.records import Record, conflict_record, step_record
from sfsc.training.reference import load_reference
from sfsc.training.replay import ReplayedGradients
from sfsc.training.schedule import learning_rate
from sfsc.training.sgd import NesterovSGD, Optimizer
from sfsc.training.step import (
    Compute,
    Gradients,
    apply_update,
    check_finite,
    compute_gradients,
)

CPU = torch.device("cpu")
ALONE = Processes()


@dataclass(frozen=True)
class Training:
    """Everything that the steps of one training work on."""

    job: TrainJob
    model: IdentityModel
    optimizer: Optimizer
    aggregator: Aggregator
    augmentation: Augment
    images: NDArray[np.uint8]
    """Packed images of the data set, memory-mapped, (N, H, W, C)."""
    rows: NDArray[np.int64]
    """Indices of the training images in `images`."""
    labels: Tensor
    """Identity of each training image, int64 in [0, C)."""
    device: torch.device
    """Where it trains."""
    compute: Compute
    """Gradients of a batch."""
    loss_scale: LossScale
    processes: Processes
    """Which share the batches."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        train = self.job.train
        return epoch_length(
            len(self.rows), identities=train.identities_per_batch, images=train.images_per_identity
        )

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self.job.train.epochs * self.steps_per_epoch


def build_training(
    job: TrainJob,
    prepared: PreparedSet,
    reference_dir: Path | None = None,
    *,
    device: torch.device = CPU,
    processes: Processes = ALONE,
) -> Training:
    """Return a training at its start; its weights are a function of the job's seed.

    Args:
        job: The settings.
        prepared: The data set.
        reference_dir: Folder of the finished training whose network the job refers to.
        device: Where it trains.
        processes: Which share the batches.

    Raises:
        ResultError: If the reference is damaged or does not fit.
        ConfigError: If the backbone cannot have the widths or the pretrained weights.
    """
    torch.manual_seed(seed_of(job.seed, "weights"))
    rows = prepared.manifest.rows("train")
    _, labels = np.unique(prepared.manifest.identity[rows], return_inverse=True)
    try:
        network = EmbeddingNetwork(
            job.network.backbone,
            widths=job.network.widths,
            embedding_dim=job.network.embedding_dim,
            image_channels=prepared.images.shape[3],
            pooling=job.network.pooling,
        )
    except ValueError as error:  # of a backbone of groups
        raise ConfigError(
            f"`network.widths` must be possible for backbone {job.network.backbone}. Found "
            f"{list(job.network.widths)}. {error}"
        ) from error
    if job.network.pretrained:
        path = Path(job.network.pretrained)
        load_pretrained(network.backbone, path, width=job.network.widths[-1])
    identities, embedding_dim = int(labels.max()) + 1, job.network.embedding_dim
    model = IdentityModel(
        network,
        embedding_dim=embedding_dim,
        identities=identities,
        base_loss=parts.load("losses.base_losses", job.loss.base).build(job.loss),
        precision=job.train.precision,
    )
    model = channels_last(model).to(device)
    if job.train.gradient_checkpointing:
        recompute_activations(network.backbone)
    reference = None
    if reference_dir:
        reference = load_reference(
            reference_dir, identities=identities, embedding_dim=embedding_dim, device=device
        )
    compute: Compute = partial(compute_gradients, model, loss=job.loss, reference=reference)
    if device.type == "cuda" and job.train.cuda_graphs:
        compute = ReplayedGradients(compute, model)
    return Training(
        job=job,
        model=model,
        optimizer=OPTIMIZERS[job.train.optimizer](model, job.train),
        aggregator=build_aggregator(job.aggregation),
        augmentation=build_augmentation(job.augmentation, prepared.images.shape[1:3]),
        images=prepared.images,
        rows=rows,
        labels=torch.from_numpy(labels.astype(np.int64)),
        device=device,
        compute=compute,
        loss_scale=LossScale(job.train.precision),
        processes=processes,
    )


def train_epoch(
    training: Training,
    epoch: int,
    *,
    write: Callable[[Record], object] = lambda _: None,
    report: Callable[[int, Sequence[float]], object] = lambda *_: None,
) -> None:
    """Run one epoch.

    Args:
        training: Its model and optimizer move.
        epoch: Number of the epoch, counted from 0.
        write: Receives the record of each step.
        report: Receives the number of the epoch, from 1, and the losses of each step.
    """
    settings, seed = training.job.train, training.job.seed
    rank = training.processes.rank
    # Where kornia draws from: each process for its share.
    torch.manual_seed(seed_of(seed, "augmentation", epoch, *([rank] if rank else [])))
    surgery = generator_for(seed, "aggregation", epoch)
    batches = pk_batches(
        training.labels,
        identities=settings.identities_per_batch,
        images=settings.images_per_identity,
        generator=generator_for(seed, "batches", epoch),
    )
    loaded = (load_batch(training, training.processes.share(batch)) for batch in batches)
    training.model.train()
    step, batch = epoch * training.steps_per_epoch, next(loaded, None)
    while batch:
        gradients = differentiate(training, step, batch)
        batch = next(loaded, None)  # while a GPU is still busy with the one before
        record = {"step": step, "epoch": epoch, **move(training, step, gradients, surgery)}
        write(record)
        report(epoch + 1, record["loss"])
        step += 1


class Batch(NamedTuple):
    """What one step is computed on."""

    images: Tensor
    """Changed at random, (B, C, H, W)."""
    labels: Tensor
    """Identities, (B,)."""


def load_batch(training: Training, positions: Tensor) -> Batch:
    """Read and change images; a GPU is not waited for.

    Args:
        training: Its images.
        positions: Among the training images, (B,).
    """
    packed = torch.from_numpy(read_images(training.images, training.rows[positions.numpy()]))
    labels = training.labels[positions]
    if training.device.type == "cuda":
        packed, labels = packed.pin_memory(), labels.pin_memory()
    images = training.augmentation(packed.to(training.device, non_blocking=True))
    return Batch(images, labels.to(training.device, non_blocking=True))


def differentiate(training: Training, step: int, batch: Batch) -> Gradients:
    """Return what the sub-models of all processes say of a batch.

    Args:
        training: Its running statistics move.
        step: Index of the step in the whole training.
        batch: This process's share.
    """
    section, progress = training.job.loss, step / training.total_steps
    kl_weight = rising_kl_weight(progress, kl_weight=section.kl_weight, ramp=section.kl_ramp)
    gradients = training.compute(
        batch.images, batch.labels, kl_weight=kl_weight, loss_scale=training.loss_scale.factor
    )
    training.processes.average(gradients, training.model)
    return gradients


def move(training: Training, step: int, gradients: Gradients, generator: torch.Generator) -> Record:
    """Move the weights and return the step's record.

    Args:
        training: Its model and optimizer move.
        step: Index of the step in the whole training.
        gradients: Of the step's batch.
        generator: Source of the aggregator's random choices.

    Returns:
        Without norms of gradients if fp16 overflowed: the weights are then those before the step.

    Raises:
        DivergenceError: If a loss is not finite; the weights are then those before the step.
    """
    job = training.job
    rate = learning_rate(step, training.total_steps, job.train)
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    record: dict[str, Any] = {"learning_rate": rate, **step_record(gradients)}
    check_finite(record["loss"], step=step, widths=job.network.widths)
    if not training.loss_scale.accepts(record["gradient_norm"]):
        del record["gradient_norm"]
        return record
    update = apply_update(
        training.model,
        gradients.jacobian,
        aggregator=training.aggregator,
        optimizer=training.optimizer,
        gradient_clip=job.train.gradient_clip,
        generator=generator,
    )
    if step % job.train.conflicts_every == 0:
        record |= conflict_record(gradients.jacobian, update)
    return record


def _sgd(model: nn.Module, train: Train) -> Optimizer:
    return NesterovSGD(model.parameters(), lr=train.learning_rate, weight_decay=train.weight_decay)


def _adam(model: nn.Module, train: Train) -> Optimizer:
    return torch.optim.Adam(
        model.parameters(), lr=train.learning_rate, weight_decay=train.weight_decay, fused=True
    )


OPTIMIZERS: dict[str, Callable[[nn.Module, Train], Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
}
