"""Distillation from the full model (DESIGN.md 2.2, an extension of the paper's future work).

A sub-model's logits are pulled towards the full model's soft targets (Hinton et al.,
arXiv 1503.02531, temperature 1), which carry what the labels do not: which identities look alike.
"""

from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional

from sfsc.losses.base import BaseLoss
from sfsc.losses.term import Outputs, Term
from sfsc.settings.section import TermSettings


class Settings(TermSettings):
    """KL divergence from the target's soft predictions, of every sub-model that has a target."""

    needs: ClassVar[Literal["target"]] = "target"


def distillation_loss(logits: Tensor, target_logits: Tensor) -> Tensor:
    """Return the mean of `KL(softmax(target) || softmax(z))`.

    Args:
        logits: z, shape (B, C).
        target_logits: The target's, without gradient, shape (B, C).

    Returns:
        Scalar, at least 0.

    >>> import torch
    >>> z = torch.tensor([[2.0, 0.0]])
    >>> distillation_loss(z, z), distillation_loss(torch.zeros(1, 2), z)
    (tensor(0.), tensor(0.3278))
    """
    return functional.kl_div(
        functional.log_softmax(logits, dim=1),
        functional.log_softmax(target_logits, dim=1),
        reduction="batchmean",
        log_target=True,
    )


class Distillation(Term):
    """Distillation of the full sub-model, or of the frozen reference, into a sub-model."""

    def __call__(self, outputs: Outputs, base_loss: BaseLoss) -> Tensor | None:
        """Return the divergence from the target's predictions, None without a target."""
        if outputs.target is None:
            return None
        target = base_loss.logits(outputs.target.embedding, outputs.target.classifier)
        return distillation_loss(outputs.logits, target)


def build(settings: Settings) -> Distillation:
    """Return the term; it has no settings beside its weight."""
    del settings
    return Distillation()
