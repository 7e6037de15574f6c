"""One optimisation step: losses of the sub-models, Jacobian, update (DESIGN.md 2.2, 2.3)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.func import functional_call

from sfsc.aggregation.base import Aggregator
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.errors import DivergenceError
from sfsc.losses.objective import Criterion, Objective
from sfsc.losses.term import Outputs, Target
from sfsc.training.model import CLASSIFIER, IdentityModel
from sfsc.training.reference import Reference


@dataclass(frozen=True)
class Gradients:
    """Losses and gradients of every sub-model on one batch."""

    objectives: Sequence[Objective]
    """One per sub-model."""
    jacobian: NestedJacobian
    """Row i: the gradient of sub-model i's objective."""


class Compute(Protocol):
    """`compute_gradients` with a training's model and criterion."""

    def __call__(
        self, images: Tensor, labels: Tensor, *, progress: Any, loss_scale: Any = None
    ) -> Gradients:
        """Differentiate every sub-model's objective."""
        ...


def compute_gradients(
    model: IdentityModel,
    images: Tensor,
    labels: Tensor,
    *,
    criterion: Criterion,
    progress: float | Tensor,
    all_move_classifier: bool = False,
    by_uncertainty: bool = False,
    reference: Reference | None = None,
    loss_scale: float | Tensor | None = None,
) -> Gradients:
    """Differentiate every sub-model's objective with respect to the blocks that it may move.

    The full model comes first, because its embeddings may be the target of the others. The others
    follow one by one: the activations of one are freed before the next, and only its gradient, as
    large as its blocks, stays.

    Args:
        model: In training mode.
        images: Shape (B, C, H, W), normalised.
        labels: Identities, int64 in [0, C), shape (B,).
        criterion: The objective of a sub-model.
        progress: Share of the training that is done, in [0, 1].
        all_move_classifier: Whether the losses of all sub-models move the classifier, or only the
            full model's.
        by_uncertainty: Whether a sub-model's gradient is weighted by its uncertainty over the mean
            uncertainty of all sub-models (DESIGN.md 2.2).
        reference: The frozen network of a one-to-one method.
        loss_scale: Factor of the objectives while they are differentiated (fp16), if any.
    """

    def differentiate(switch: int, target: Target | None) -> _Submodel:
        is_full = switch == model.switches - 1
        leaves = model.leaves(switch, moves_classifier=is_full or all_move_classifier)
        fixed = {} if CLASSIFIER in leaves else {CLASSIFIER: model.classifier.detach()}
        embeddings, logits = functional_call(
            model, leaves | fixed, (images, switch), tie_weights=False
        )
        objective = criterion(Outputs(embeddings, logits, labels, is_full, target, progress))
        total = objective.total if loss_scale is None else objective.total * loss_scale
        row = _gradient(total, leaves)
        if loss_scale is not None:
            torch._foreach_div_(list(row.values()), loss_scale)
        return _Submodel(row, objective.detach(), embeddings.embedding.detach())

    frozen = reference(images) if reference else None
    full = differentiate(model.switches - 1, frozen)
    target = frozen or Target(full.embedding, model.classifier.detach())
    submodels = [*(differentiate(s, target) for s in range(model.switches - 1)), full]
    if by_uncertainty:
        u = torch.stack([s.objective.uncertainty for s in submodels])
        for submodel, weight in zip(submodels, u / u.mean(), strict=True):
            torch._foreach_mul_(list(submodel.row.values()), weight)
    return Gradients([s.objective for s in submodels], NestedJacobian([s.row for s in submodels]))


class _Submodel(NamedTuple):
    row: dict[str, Tensor]
    objective: Objective
    embedding: Tensor


def _gradient(output: Tensor, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    gradients = torch.autograd.grad(
        output,
        list(leaves.values()),
        allow_unused=True,  # an asymmetric loss alone does not use the classifier
        materialize_grads=True,
    )
    return dict(zip(leaves, gradients, strict=True))


def apply_update(
    model: IdentityModel,
    jacobian: NestedJacobian,
    *,
    aggregator: Aggregator,
    optimizer: torch.optim.Optimizer,
    gradient_clip: float,
    generator: torch.Generator,
    is_finite: Tensor | None = None,
) -> dict[str, Tensor]:
    """Aggregate the rows, clip the update's norm and let the optimizer step.

    Nothing waits for a GPU, unless the aggregator's solver does.

    Args:
        model: Its parameters change.
        jacobian: From `compute_gradients`.
        aggregator: Rows to update.
        optimizer: Over all parameters of the model.
        gradient_clip: Largest norm of the update; 0 turns clipping off.
        generator: Source of the aggregator's random choices.
        is_finite: Whether to make the step, 0-d, on the model's device: if false, a fused optimizer
            leaves the weights and its own state as they are. None always makes it.

    Returns:
        The update of each parameter, clipped.
    """
    update = aggregator(jacobian, generator)
    parameters = model.parameters_by_name
    for name, parameter in parameters.items():
        parameter.grad = update[name]
    if gradient_clip > 0:
        torch.nn.utils.clip_grad_norm_(parameters.values(), gradient_clip)
    # What torch's own `GradScaler` hands to fused optimizers.
    optimizer.found_inf = None if is_finite is None else (~is_finite).float()  # type: ignore[attr-defined]
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return update


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
        if not math.isfinite(loss):
            raise DivergenceError(
                f"Every loss must stay finite. Found `loss = {loss}` of sub-model {switch} (width "
                f"{widths[switch]}) at step {step}; lower `train.learning_rate` or raise "
                "`train.warmup`."
            )
