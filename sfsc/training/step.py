"""One optimisation step: batch, losses of the sub-models, Jacobian, update (DESIGN.md 2.2, 2.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from sfsc.aggregation.base import Aggregator
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.config import Loss
from sfsc.errors import DivergenceError
from sfsc.losses.objective import Objective, objective
from sfsc.training.model import CLASSIFIER, IdentityModel


@dataclass(frozen=True)
class Gradients:
    """What the sub-models say of one batch."""

    objectives: Sequence[Objective]
    """One per sub-model."""
    jacobian: NestedJacobian
    """Row i: the gradient of sub-model i's objective."""


def compute_gradients(
    model: IdentityModel, images: Tensor, labels: Tensor, *, loss: Loss, kl_weight: float
) -> Gradients:
    """Differentiate every sub-model's objective with respect to the blocks that it may move.

    One sub-model after the other, smallest first: the activations of one are freed before the
    next, and only its gradient, as large as its blocks, stays.

    Args:
        model: In training mode.
        images: Shape (B, C, H, W), normalised.
        labels: Identities, int64 in [0, C), shape (B,).
        loss: The loss section of the method.
        kl_weight: lambda_t of this step.
    """
    objectives, rows = [], []
    for switch in range(model.switches):
        is_full = switch == model.switches - 1
        leaves = model.leaves(switch, moves_classifier=is_full or loss.classifier_gradient == "all")
        fixed = {} if CLASSIFIER in leaves else {CLASSIFIER: model.classifier.detach()}
        embeddings, logits = functional_call(
            model, leaves | fixed, (images, switch), tie_weights=False
        )
        terms = objective(
            embeddings, logits, labels, loss=loss, is_full=is_full, kl_weight=kl_weight
        )
        gradients = torch.autograd.grad(terms.total, list(leaves.values()))
        rows.append(dict(zip(leaves, gradients, strict=True)))
        objectives.append(terms.detach())
    return Gradients(objectives, NestedJacobian(rows))


def apply_update(
    model: IdentityModel,
    jacobian: NestedJacobian,
    *,
    aggregator: Aggregator,
    optimizer: torch.optim.Optimizer,
    gradient_clip: float,
    generator: torch.Generator,
) -> None:
    """Aggregate the rows, clip the update's norm and let the optimizer step.

    Args:
        model: Its parameters move.
        jacobian: From `compute_gradients`.
        aggregator: Rows to update.
        optimizer: Over all parameters of the model.
        gradient_clip: Largest norm of the update; 0 turns clipping off.
        generator: Source of the aggregator's random choices.
    """
    update = aggregator(jacobian, generator)
    for name, parameter in model.named_parameters():
        parameter.grad = update[name]
    if gradient_clip > 0:
        torch.nn.utils.clip_grad_norm_(model.parameters(), gradient_clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def check_finite(losses: Sequence[float], *, step: int, widths: Sequence[float]) -> None:
    """Stop a training whose loss is not finite.

    Args:
        losses: Total loss of each sub-model.
        step: Index of the step.
        widths: Width of each sub-model.

    Raises:
        DivergenceError: If a loss is NaN or infinite; it names step, loss and sub-model.
    """
    for switch, loss in enumerate(losses):
        if not torch.isfinite(torch.tensor(loss)):
            raise DivergenceError(
                f"Every loss must stay finite. Found `loss = {loss}` of sub-model {switch} (width "
                f"{widths[switch]}) at step {step}; lower `train.learning_rate` or raise "
                "`train.warmup`."
            )
