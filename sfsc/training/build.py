"""What a training consists of at its start: data, model, optimizer, aggregator."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sfsc import parts
from sfsc.aggregation.base import Aggregator
from sfsc.aggregation.build import build_aggregator
from sfsc.config import Train, TrainJob
from sfsc.data.augmentation import Augment, build_augmentation
from sfsc.data.prepared import PreparedSet
from sfsc.data.samplers import epoch_length
from sfsc.determinism import seed_of
from sfsc.errors import ConfigError
from sfsc.networks.build import EmbeddingNetwork, channels_last
from sfsc.networks.pretrained import load_pretrained
from sfsc.networks.recompute import recompute_activations
from sfsc.training.model import IdentityModel
from sfsc.training.parallel import Processes
from sfsc.training.precision import LossScale
from sfsc.training.reference import load_reference
from sfsc.training.replay import ReplayedGradients
from sfsc.training.sgd import NesterovSGD, Optimizer
from sfsc.training.step import Compute, compute_gradients

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
    identities = int(labels.max()) + 1
    model = _build_model(job, identities, image_channels=prepared.images.shape[3]).to(device)
    reference = None
    if reference_dir:
        reference = load_reference(
            reference_dir,
            identities=identities,
            embedding_dim=job.network.embedding_dim,
            device=device,
        )
    compute: Compute = partial(compute_gradients, model, loss=job.loss, reference=reference)
    if device.type == "cuda" and job.train.cuda_graphs:
        compute = ReplayedGradients(compute, model)
    return Training(
        job=job,
        model=model,
        optimizer=OPTIMIZERS[job.train.optimizer](model, job.train),
        aggregator=build_aggregator(job.aggregation),
        augmentation=build_augmentation(
            prepared.images.shape[1:3], **job.augmentation.model_dump()
        ),
        images=prepared.images,
        rows=rows,
        labels=torch.from_numpy(labels.astype(np.int64)),
        device=device,
        compute=compute,
        loss_scale=LossScale(job.train.precision),
        processes=processes,
    )


def _build_model(job: TrainJob, identities: int, *, image_channels: int) -> IdentityModel:
    """Return the model with its first weights, channels last."""
    section = job.network
    try:
        network = EmbeddingNetwork(
            section.backbone,
            widths=section.widths,
            embedding_dim=section.embedding_dim,
            image_channels=image_channels,
            pooling=section.pooling,
        )
    except ValueError as error:  # of a backbone of groups
        raise ConfigError(
            f"`network.widths` must be possible for backbone {section.backbone}. Found "
            f"{list(section.widths)}. {error}"
        ) from error
    if section.pretrained:
        load_pretrained(network.backbone, Path(section.pretrained), width=section.widths[-1])
    model = IdentityModel(
        network,
        embedding_dim=section.embedding_dim,
        identities=identities,
        base_loss=parts.load("losses.base_losses", job.loss.base).build(job.loss),
        precision=job.train.precision,
    )
    if job.train.gradient_checkpointing:
        recompute_activations(network.backbone)
    return channels_last(model)


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
