"""One optimisation step: batch, losses of the sub-models, Jacobian, update (DESIGN.md 2.2, 2.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.func import functional_call

from sfsc.aggregation.base import Aggregator
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.config import Loss
from sfsc.errors import DivergenceError
from sfsc.losses.objective import Objective, Target, objective
from sfsc.training.model import CLASSIFIER, IdentityModel
from sfsc.training.reference import Reference
from sfsc.training.sgd import Optimizer

_AIM = "full sub-model's embedding"


@dataclass(frozen=True)
class Gradients:
    """What the sub-models say of one batch."""

    objectives: Sequence[Objective]
    """One per sub-model."""
    jacobian: NestedJacobian
    """Row i: the gradient of sub-model i's objective."""


class Compute(Protocol):
    """`compute_gradients` of a training's model."""

    def __call__(
        self, images: Tensor, labels: Tensor, *, kl_weight: Any, loss_scale: Any = None
    ) -> Gradients:
        """Differentiate every sub-model's objective."""
        ...


def compute_gradients(
    model: IdentityModel,
    images: Tensor,
    labels: Tensor,
    *,
    loss: Loss,
    kl_weight: float | Tensor,
    reference: Reference | None = None,
    loss_scale: float | Tensor | None = None,
) -> Gradients:
    """Differentiate every sub-model's objective with respect to the blocks that it may move.

    The full model first, as the others may be drawn to its embeddings; then one after the other:
    the activations of one are freed before the next, and only its gradient, as large as its
    blocks, stays.

    Args:
        model: In training mode.
        images: Shape (B, C, H, W), normalised.
        labels: Identities, int64 in [0, C), shape (B,).
        loss: The loss section of the method.
        kl_weight: lambda_t of this step.
        reference: The frozen network of a one-to-one method.
        loss_scale: Factor of the objectives while they are differentiated (fp16), if any.
    """
    frozen = reference(images) if reference else None

    def forward(switch: int, target: Target | None) -> _Submodel:
        return _forward(
            model, switch, images, labels, loss=loss, kl_weight=kl_weight, target=target
        )

    full = forward(model.switches - 1, frozen)
    is_drawn_too = loss.asymmetric_weight > 0 and not loss.asymmetric_detach and not frozen
    total = _scaled(full.objective.total, loss_scale)
    full_row = _differentiate(total, full.leaves, retain_graph=is_drawn_too)
    aim = full.embedding.detach().requires_grad_(is_drawn_too)
    target = frozen or Target(aim, model.classifier.detach())
    rows, objectives = [], []
    for switch in range(model.switches - 1):
        submodel = forward(switch, target)
        inputs = submodel.leaves | ({_AIM: aim} if is_drawn_too else {})
        rows.append(_differentiate(_scaled(submodel.objective.total, loss_scale), inputs))
        objectives.append(submodel.objective.detach())
    if is_drawn_too:
        pulls = [row.pop(_AIM) for row in rows]
        drawn = _differentiate(full.embedding, full.leaves, torch.stack(pulls).sum(dim=0))
        full_row = {name: full_row[name] + drawn[name] for name in full_row}
    rows.append(full_row)
    if loss_scale is not None:
        for row in rows:
            torch._foreach_div_(list(row.values()), loss_scale)
    return Gradients([*objectives, full.objective.detach()], NestedJacobian(rows))


def _scaled(objective: Tensor, loss_scale: float | Tensor | None) -> Tensor:
    return objective if loss_scale is None else objective * loss_scale


class _Submodel(NamedTuple):
    leaves: dict[str, Tensor]
    objective: Objective
    embedding: Tensor


def _forward(
    model: IdentityModel,
    switch: int,
    images: Tensor,
    labels: Tensor,
    *,
    loss: Loss,
    kl_weight: float | Tensor,
    target: Target | None,
) -> _Submodel:
    """Return the objective of one sub-model and the leaves to differentiate it with respect to."""
    is_full = switch == model.switches - 1
    leaves = model.leaves(switch, moves_classifier=is_full or loss.classifier_gradient == "all")
    fixed = {} if CLASSIFIER in leaves else {CLASSIFIER: model.classifier.detach()}
    embeddings, logits = functional_call(model, leaves | fixed, (images, switch), tie_weights=False)
    terms = objective(
        embeddings,
        logits,
        labels,
        loss=loss,
        base_loss=model.base_loss,
        is_full=is_full,
        kl_weight=kl_weight,
        target=target,
    )
    return _Submodel(leaves, terms, embeddings.embedding)


def _differentiate(
    output: Tensor,
    inputs: Mapping[str, Tensor],
    grad_output: Tensor | None = None,
    *,
    retain_graph: bool = False,
) -> dict[str, Tensor]:
    gradients = torch.autograd.grad(
        output,
        list(inputs.values()),
        grad_output,
        retain_graph=retain_graph,
        allow_unused=True,  # the classifier has no part in an embedding
        materialize_grads=True,
    )
    return dict(zip(inputs, gradients, strict=True))


def apply_update(
    model: IdentityModel,
    jacobian: NestedJacobian,
    *,
    aggregator: Aggregator,
    optimizer: Optimizer,
    gradient_clip: float,
    generator: torch.Generator,
    is_finite: Tensor | None = None,
) -> dict[str, Tensor]:
    """Aggregate the rows, clip the update's norm and let the optimizer step.

    Nothing waits for a GPU, unless the aggregator's solver does.

    Args:
        model: Its parameters move.
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
    optimizer.found_inf = None if is_finite is None else (~is_finite).float()  # type: ignore[union-attr]
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
        if not torch.isfinite(torch.tensor(loss)):
            raise DivergenceError(
                f"Every loss must stay finite. Found `loss = {loss}` of sub-model {switch} (width "
                f"{widths[switch]}) at step {step}; lower `train.learning_rate` or raise "
                "`train.warmup`."
            )
