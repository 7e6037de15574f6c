"""What a sub-model minimises: a weighted sum of terms that its method's settings switch on.

    w_b L_base + w_c L_compatible + w_i L_influence + w_a L_asymmetric          (DESIGN.md 2.2, 2.4)

w_b is 1 for a full model. The last two terms draw a sub-model to a *target*: the frozen reference
of a one-to-one method, or the full sub-model of the same switchable network.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sfsc.config import Loss
from sfsc.losses.asymmetric import asymmetric_loss
from sfsc.losses.base import BaseLoss
from sfsc.losses.compatible import compatible_loss
from sfsc.losses.evidential import dirichlet, uncertainty
from sfsc.losses.triplet import batch_hard_triplet_loss
from sfsc.networks.switchable import Embeddings


@dataclass(frozen=True)
class Target:
    """What a sub-model is to be compatible with."""

    embedding: Tensor
    """Of the same images, after the neck, (B, D)."""
    classifier: Tensor
    """Frozen, (C, D)."""


@dataclass(frozen=True)
class Objective:
    """The loss of one sub-model on one batch, and its parts."""

    total: Tensor
    """Scalar to differentiate."""
    base: Tensor
    """Base loss plus weighted triplet loss, before the weight of the base loss; scalar."""
    compatible: Tensor
    """Compatible loss before its weight, scalar; 0 where the sub-model has none."""
    target: Tensor
    """Weighted influence and asymmetric losses, scalar; 0 where the sub-model has none."""
    uncertainty: Tensor
    """Mean uncertainty of the batch, scalar without gradient."""

    def detach(self) -> "Objective":
        """Return the same numbers without their graph."""
        return Objective(
            self.total.detach(), self.base, self.compatible, self.target, self.uncertainty
        )


def objective(
    embeddings: Embeddings,
    logits: Tensor,
    labels: Tensor,
    *,
    loss: Loss,
    base_loss: BaseLoss,
    is_full: bool,
    kl_weight: float | Tensor,
    target: Target | None,
) -> Objective:
    """Return the objective of one sub-model.

    Args:
        embeddings: Of the sub-model, each (B, D).
        logits: z, `base_loss.logits` of the embeddings and the classifier, shape (B, C).
        labels: Identities, int64 in [0, C), shape (B,).
        loss: The loss section of the method.
        base_loss: The one that the section names.
        is_full: Whether the sub-model is the full model of its network.
        kl_weight: lambda_t of this step.
        target: What the sub-model is to be compatible with, if there is something.
    """
    base = base_loss(logits, labels)
    if loss.triplet_weight > 0:
        triplet = batch_hard_triplet_loss(
            embeddings.before_neck, labels, margin=loss.triplet_margin
        )
        base = base + loss.triplet_weight * triplet
    total = base if is_full else loss.submodel_base_weight * base
    compatible = base.new_zeros(())
    if has_compatible_loss(loss, is_full=is_full):
        alpha = dirichlet(logits, evidence=loss.evidence)
        compatible = compatible_loss(alpha, labels, kl_weight=kl_weight)
        total = total + loss.compatible_weight * compatible
    pull = base.new_zeros(())
    if target is not None:
        pull = target_loss(embeddings.embedding, target, labels, loss=loss, base_loss=base_loss)
        total = total + pull
    with torch.no_grad():
        batch_uncertainty = uncertainty(dirichlet(logits, evidence=loss.evidence)).mean()
    return Objective(total, base.detach(), compatible.detach(), pull.detach(), batch_uncertainty)


def target_loss(
    embedding: Tensor, target: Target, labels: Tensor, *, loss: Loss, base_loss: BaseLoss
) -> Tensor:
    """Return the weighted sum of influence and asymmetric loss (DESIGN.md 2.4).

    The influence loss is the base loss through the target's classifier (Shen et al.,
    arXiv 2003.11942).

    Args:
        embedding: Of the sub-model, after the neck, (B, D).
        target: What it is to be compatible with.
        labels: Identities, int64 in [0, C), shape (B,).
        loss: The loss section of the method.
        base_loss: The one that the section names.

    Returns:
        Scalar.
    """
    total = embedding.new_zeros(())
    if loss.influence_weight > 0:
        influence = base_loss(base_loss.logits(embedding, target.classifier), labels)
        total = total + loss.influence_weight * influence
    if loss.asymmetric_weight > 0:
        drawn = asymmetric_loss(
            embedding,
            target.embedding,
            labels,
            kind=loss.asymmetric,
            margin=loss.asymmetric_margin,
        )
        total = total + loss.asymmetric_weight * drawn
    return total


def has_compatible_loss(loss: Loss, *, is_full: bool) -> bool:
    """Return whether a sub-model's objective contains the compatible loss."""
    return loss.compatible_weight > 0 and (loss.compatible_on == "all" or not is_full)
