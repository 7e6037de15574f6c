"""Builds a training from its settings: data, model, criterion, aggregator, optimizer."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sfsc.aggregation.aggregators.sum import Sum
from sfsc.aggregation.base import Aggregator
from sfsc.compute import seed_of
from sfsc.data.augmentation import Augment, build_augmentation
from sfsc.data.prepared import PreparedSet
from sfsc.data.samplers import epoch_length
from sfsc.errors import ConfigError
from sfsc.losses.base import BaseLoss
from sfsc.losses.objective import Criterion, WeightedTerm
from sfsc.networks.build import EmbeddingNetwork, channels_last
from sfsc.networks.pretrained import load_pretrained
from sfsc.networks.recompute import recompute_activations
from sfsc.settings import parts
from sfsc.settings.jobs import TrainJob
from sfsc.settings.sections import Loss, Train
from sfsc.training.model import IdentityModel
from sfsc.training.parallel import Processes
from sfsc.training.precision import LossScale
from sfsc.training.reference import load_reference
from sfsc.training.replay import ReplayedGradients
from sfsc.training.step import Compute, compute_gradients

CPU = torch.device("cpu")
ALONE = Processes()


@dataclass(frozen=True)
class Training:
    """Everything that the steps of one training use."""

    job: TrainJob
    model: IdentityModel
    average: AveragedModel | None
    """The moving average of the model's weights, if validation judges that."""
    optimizer: Optimizer
    aggregator: Aggregator
    augmentation: Augment
    images: NDArray[np.uint8]
    """The packed images of the data set, memory-mapped, (N, H, W, C)."""
    rows: NDArray[np.int64]
    """Indices of the training images in `images`."""
    labels: Tensor
    """Identity of each training image, int64 in [0, C)."""
    device: torch.device
    """Where it trains."""
    compute: Compute
    """Losses and gradients of a batch."""
    loss_scale: LossScale
    processes: Processes
    """The processes that share each batch."""

    @property
    def result(self) -> IdentityModel:
        """What validation judges and the training leaves: the average, if there is one."""
        return self.average.module if self.average else self.model  # type: ignore[return-value]

    @property
    def state(self) -> nn.Module:
        """The model and its average, which a checkpoint holds."""
        modules = {"model": self.model, "average": self.average}
        return nn.ModuleDict({name: module for name, module in modules.items() if module})

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches of an epoch."""
        train = self.job.train
        return epoch_length(
            len(self.rows), identities=train.identities_per_batch, images=train.images_per_identity
        )

    @property
    def total_steps(self) -> int:
        """Number of steps of the whole training."""
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
        reference_dir: Folder of the finished training that is the reference, if there is one.
        device: Where it trains.
        processes: The processes that share each batch.

    Raises:
        ResultError: If the reference is damaged or does not fit.
        ConfigError: If the backbone cannot have the widths or the pretrained weights.
    """
    torch.manual_seed(seed_of(job.seed, "weights"))
    rows = prepared.manifest.rows("train")
    _, labels = np.unique(prepared.manifest.identity[rows], return_inverse=True)
    identities = int(labels.max()) + 1
    criterion = build_criterion(job.loss)
    model = _build_model(
        job, identities, criterion.base_loss, image_channels=prepared.images.shape[3]
    ).to(device)
    reference = None
    if reference_dir:
        reference = load_reference(
            reference_dir,
            identities=identities,
            embedding_dim=job.network.embedding_dim,
            device=device,
        )
    submodels = job.loss.submodels
    compute: Compute = partial(
        compute_gradients,
        model,
        criterion=criterion,
        all_move_classifier=submodels is not None and submodels.classifier_gradient == "all",
        by_uncertainty=submodels is not None and submodels.priority == "uncertainty",
        reference=reference,
    )
    if job.train.cuda_graphs:
        compute = ReplayedGradients(compute, model)
    return Training(
        job=job,
        model=model,
        average=build_average(model, job.train),
        optimizer=build_optimizer(model, job.train),
        aggregator=build_aggregator(job),
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


def build_criterion(loss: Loss) -> Criterion:
    """Return the objective of the sub-models.

    Args:
        loss: The section; `submodels` is null if there are none.
    """
    terms = {
        name: WeightedTerm(settings.weight, parts.load("losses.terms", name).build(settings))
        for name, settings in loss.terms.items()
    }
    base_loss = parts.load("losses.bases", loss.base.name).build(loss.base)
    return Criterion(base_loss, terms, loss.submodels.base_weight if loss.submodels else 1.0)


def build_aggregator(job: TrainJob) -> Aggregator:
    """Return the aggregator that a job names; one gradient alone needs no other than the sum."""
    if job.aggregation is None:
        return Sum()
    part = parts.load("aggregation.aggregators", job.aggregation.name)
    aggregator: Aggregator = part.build(job.aggregation)
    return aggregator


def _build_model(
    job: TrainJob, identities: int, base_loss: BaseLoss, *, image_channels: int
) -> IdentityModel:
    """Return the model with its first weights, channels last."""
    section = job.network
    try:
        network = EmbeddingNetwork(**section.architecture(), image_channels=image_channels)
    except ValueError as error:  # a backbone with groups cannot have every width
        raise ConfigError(
            f"`network.widths` must be possible for backbone {section.backbone.name}. Found "
            f"{list(section.widths)}. {error}"
        ) from error
    if section.pretrained:
        load_pretrained(network.backbone, Path(section.pretrained), width=section.widths[-1])
    model = IdentityModel(
        network,
        embedding_dim=section.embedding_dim,
        identities=identities,
        base_loss=base_loss,
        precision=job.train.precision,
    )
    if job.train.gradient_checkpointing:
        recompute_activations(network.backbone)
    return channels_last(model)


def build_average(model: nn.Module, train: Train) -> AveragedModel | None:
    """Return the moving average of a model's weights at its start, if there is to be one."""
    if train.average_decay == 0:
        return None
    average = get_ema_multi_avg_fn(train.average_decay)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=average)


def build_optimizer(model: nn.Module, train: Train) -> Optimizer:
    """Return the optimizer of all parameters of a model."""
    rate, decay, parameters = train.learning_rate, train.weight_decay, model.parameters()
    if train.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, weight_decay=decay, fused=True)
    sgd = torch.optim.SGD(
        parameters, lr=rate, weight_decay=decay, momentum=0.9, nesterov=True, fused=True
    )
    for parameter in model.parameters():  # torch leaves them unwritten if the first step is skipped
        sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd
