"""What a sub-model minimises: base loss plus, where it has one, compatible loss (DESIGN.md 2.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sfsc.config import Loss
from sfsc.losses.compatible import compatible_loss
from sfsc.losses.evidential import dirichlet, uncertainty
from sfsc.losses.identity import identity_loss
from sfsc.losses.triplet import batch_hard_triplet_loss
from sfsc.networks.switchable import Embeddings


@dataclass(frozen=True)
class Objective:
    """The loss of one sub-model on one batch, and its parts."""

    total: Tensor
    """Scalar to differentiate."""
    base: Tensor
    """Cross-entropy plus weighted triplet loss, scalar."""
    compatible: Tensor
    """Compatible loss before its weight, scalar; 0 where the sub-model has none."""
    uncertainty: Tensor
    """Mean uncertainty of the batch, scalar without gradient."""

    def detach(self) -> "Objective":
        """Return the same numbers without their graph."""
        return Objective(self.total.detach(), self.base, self.compatible, self.uncertainty)


def objective(
    embeddings: Embeddings,
    logits: Tensor,
    labels: Tensor,
    *,
    loss: Loss,
    is_full: bool,
    kl_weight: float,
) -> Objective:
    """Return the objective of one sub-model.

    Args:
        embeddings: Of the sub-model, each (B, D).
        logits: z = w . f, shape (B, C).
        labels: Identities, int64 in [0, C), shape (B,).
        loss: The loss section of the method.
        is_full: Whether the sub-model is the full model.
        kl_weight: lambda_t of this step.
    """
    base = identity_loss(logits, labels, label_smoothing=loss.label_smoothing)
    if loss.triplet_weight > 0:
        triplet = batch_hard_triplet_loss(
            embeddings.before_neck, labels, margin=loss.triplet_margin
        )
        base = base + loss.triplet_weight * triplet
    total, compatible = base, base.new_zeros(())
    if has_compatible_loss(loss, is_full=is_full):
        alpha = dirichlet(logits, evidence=loss.evidence)
        compatible = compatible_loss(alpha, labels, kl_weight=kl_weight)
        total = base + loss.compatible_weight * compatible
    with torch.no_grad():
        batch_uncertainty = uncertainty(dirichlet(logits, evidence=loss.evidence)).mean()
    return Objective(total, base.detach(), compatible.detach(), batch_uncertainty)


def has_compatible_loss(loss: Loss, *, is_full: bool) -> bool:
    """Return whether a sub-model's objective contains the compatible loss."""
    return loss.compatible_weight > 0 and (loss.compatible_on == "all" or not is_full)
