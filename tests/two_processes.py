"""What `test_parallel` lets torchrun start: one step of one of two processes."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from sfsc.aggregation.aggregators.projection import Projection
from sfsc.compute import make_deterministic
from sfsc.losses.bases.softmax import Softmax
from sfsc.networks.build import EmbeddingNetwork
from sfsc.training.build import build_criterion, build_optimizer
from sfsc.training.model import IdentityModel
from sfsc.training.parallel import Processes, joined_processes
from sfsc.training.step import Gradients, apply_update, compute_gradients

from sections import loss_section, train_section

CPU = torch.device("cpu")
WIDTHS = (0.25, 0.5, 1.0)


def build_model(*, normalises: bool) -> IdentityModel:
    """Return a fixed model; if it does not normalise by the batch, by statistics that it has."""
    torch.manual_seed(0)
    network = EmbeddingNetwork("small_resnet", widths=WIDTHS, embedding_dim=8, image_channels=3)
    base_loss = Softmax(label_smoothing=0.1)
    model = IdentityModel(network, embedding_dim=8, identities=8, base_loss=base_loss)
    return model.train(normalises)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Return 16 images of 8 identities."""
    torch.manual_seed(1)
    return torch.randn(16, 3, 16, 16), torch.arange(16) // 2


def gradients_of(model: IdentityModel, rows: torch.Tensor, *, triplets: bool) -> Gradients:
    """Return the gradients on some images of the batch."""
    images, labels = batch()
    terms = {} if triplets else {"triplet": None}
    criterion = build_criterion(loss_section(terms=terms))
    return compute_gradients(model, images[rows], labels[rows], criterion=criterion, progress=0.5)


def step(model: IdentityModel, gradients: Gradients) -> None:
    """Update the model by the projection."""
    apply_update(
        model,
        gradients.jacobian,
        aggregator=Projection(),
        optimizer=build_optimizer(model, train_section()),
        gradient_clip=1.0,
        generator=torch.Generator().manual_seed(0),
    )


def main(folder: Path) -> None:
    """Make the step with and without statistics of the batch; save both models and losses."""
    make_deterministic(1, CPU)
    calls = []
    all_reduce = dist.all_reduce
    dist.all_reduce = lambda tensor: (calls.append(tensor.numel()), all_reduce(tensor))
    with joined_processes(2, CPU) as processes:
        for normalises in (False, True):
            model = build_model(normalises=normalises)
            share = processes.share(torch.arange(16))
            gradients = gradients_of(model, share, triplets=normalises)
            processes.average(gradients, model)
            step(model, gradients)
            losses = torch.stack([objective.total for objective in gradients.objectives])
            tensors = {**model.state_dict(), "losses": losses, "calls": torch.tensor(len(calls))}
            save_file(tensors, folder / f"{int(normalises)}_{processes.rank}.safetensors")
            calls.clear()


def joint(model: IdentityModel) -> Gradients:
    """Return the gradients on the whole batch at once."""
    return gradients_of(model, torch.arange(16), triplets=False)


def mean_of_shares(model: IdentityModel) -> Gradients:
    """Return the mean of the gradients on the two shares, computed one after the other."""
    shares = [
        gradients_of(model, Processes(rank, 2).share(torch.arange(16)), triplets=True)
        for rank in (0, 1)
    ]
    for row, other in zip(shares[0].jacobian.rows, shares[1].jacobian.rows, strict=True):
        for name, gradient in row.items():
            gradient.add_(other[name]).div_(2)
    return shares[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
