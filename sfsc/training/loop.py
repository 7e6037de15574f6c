"""The one training loop that serves every method (DESIGN.md 2.4): epochs of steps."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sfsc.compute import generator_for, seed_of
from sfsc.data.packed import read_images
from sfsc.data.samplers import pk_batches
from sfsc.training.build import Training
from sfsc.training.records import Record, conflict_record, read_values, step_values
from sfsc.training.schedule import learning_rate
from sfsc.training.step import Gradients, apply_update, check_finite


def train_epoch(
    training: Training,
    epoch: int,
    *,
    write: Callable[[Record], object] = lambda _: None,
    report: Callable[[int, Sequence[float]], object] = lambda *_: None,
) -> None:
    """Run one epoch.

    Args:
        training: Its model and optimizer change.
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
        gradients = batch_gradients(training, step, batch)
        batch = next(loaded, None)  # while a GPU still works on the one before
        record = {"step": step, "epoch": epoch, **update(training, step, gradients, surgery)}
        write(record)
        report(epoch + 1, record["loss"])
        step += 1


class Batch(NamedTuple):
    """The images that one step is computed on."""

    images: Tensor
    """Augmented, (B, C, H, W)."""
    labels: Tensor
    """Identities, (B,)."""


def load_batch(training: Training, positions: Tensor) -> Batch:
    """Read and augment images, without waiting for a GPU.

    Args:
        training: The training whose images are read.
        positions: Indices among its training images, (B,).
    """
    packed = torch.from_numpy(read_images(training.images, training.rows[positions.numpy()]))
    labels = training.labels[positions]
    if training.device.type == "cuda":
        packed, labels = packed.pin_memory(), labels.pin_memory()
    images = training.augmentation(packed.to(training.device, non_blocking=True))
    return Batch(images, labels.to(training.device, non_blocking=True))


def batch_gradients(training: Training, step: int, batch: Batch) -> Gradients:
    """Return losses and gradients of every sub-model, averaged over all processes.

    Args:
        training: Its running statistics change.
        step: Index of the step in the whole training.
        batch: This process's share.
    """
    gradients = training.compute(
        batch.images,
        batch.labels,
        progress=step / training.total_steps,
        loss_scale=training.loss_scale.factor,
    )
    training.processes.average(gradients, training.model)
    return gradients


def update(
    training: Training, step: int, gradients: Gradients, generator: torch.Generator
) -> Record:
    """Update the weights and return the step's record.

    Args:
        training: Its model, the average and the optimizer change.
        step: Index of the step in the whole training.
        gradients: From `batch_gradients`.
        generator: Source of the aggregator's random choices.

    Returns:
        Without norms of gradients if fp16 overflowed: the weights are then those before the step.

    Raises:
        DivergenceError: If a loss is not finite; the weights are then those before the step.
    """
    job = training.job
    rate = learning_rate(
        step,
        training.total_steps,
        peak=job.train.learning_rate,
        warmup=job.train.warmup,
        milestones=job.train.milestones,
    )
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    # All of a step is launched before its numbers are read: a GPU is waited for once.
    values = step_values(gradients)
    checked = [values["loss"]]
    if training.loss_scale.is_dynamic:
        checked.append(values["gradient_norm"])
    applied = apply_update(
        training.model,
        gradients.jacobian,
        aggregator=training.aggregator,
        optimizer=training.optimizer,
        gradient_clip=job.train.gradient_clip,
        generator=generator,
        is_finite=torch.isfinite(torch.cat(checked)).all(),
    )
    record: dict[str, Any] = {"learning_rate": rate, **read_values(values)}
    check_finite(record["loss"], step=step, widths=job.network.widths)
    if training.average:
        training.average.update_parameters(training.model)
    if not training.loss_scale.accepts(record["gradient_norm"]):
        del record["gradient_norm"]
        return record
    if step % job.train.conflicts_every == 0:
        record |= conflict_record(gradients.jacobian, applied)
    return record
