"""Batch-hard triplet loss (Hermans et al., arXiv 1703.07737, eq. 5; DESIGN.md 2.2)."""

import torch
from torch import Tensor

from sfsc.losses.base import BaseLoss
from sfsc.losses.term import Outputs, Term
from sfsc.settings.section import NonNegative, TermSettings


class Settings(TermSettings):
    """Batch-hard triplets of the embeddings before the neck, of every sub-model."""

    margin: NonNegative = 0.3
    """Euclidean distance by which the negative must be farther than the positive."""


def batch_hard_triplet_loss(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Return the mean over anchors of `max(0, margin + d(hardest positive) - d(hardest negative))`.

    d is the Euclidean distance. An anchor without a positive or a negative in the batch has no
    triplet and does not count; with no triplet at all the loss is 0.

    Args:
        embeddings: Before the neck, shape (B, D).
        labels: Identities, shape (B,).
        margin: At least 0, in the distance's unit.

    Returns:
        Scalar.

    >>> embeddings = torch.tensor([[0.0], [1.0], [1.5]])
    >>> batch_hard_triplet_loss(embeddings, torch.tensor([7, 7, 8]), margin=0.3)
    tensor(0.4000)
    """
    distances = _pairwise_distances(embeddings)
    same = labels[:, None] == labels[None, :]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    hardest_positive = distances.masked_fill(~positive, -torch.inf).amax(dim=1)
    hardest_negative = distances.masked_fill(same, torch.inf).amin(dim=1)
    has_triplet = positive.any(dim=1) & ~same.all(dim=1)
    violation = (margin + hardest_positive - hardest_negative).clamp(min=0.0)
    return torch.where(has_triplet, violation, 0.0).sum() / has_triplet.sum().clamp(min=1)


def _pairwise_distances(x: Tensor) -> Tensor:
    """Euclidean distances (B, B); the differences are formed so that near duplicates stay exact."""
    squared = (x[:, None, :] - x[None, :, :]).square().sum(dim=2)
    # The square root has no gradient at 0, where every anchor meets itself.
    return squared.clamp(min=torch.finfo(x.dtype).tiny).sqrt()


class Triplet(Term):
    """Batch-hard triplet loss before the neck, where "bag of tricks" (arXiv 1903.07071) has it.

    Args:
        margin: Euclidean distance, at least 0.
    """

    def __init__(self, *, margin: float) -> None:
        self.margin = margin

    def __call__(self, outputs: Outputs, base_loss: BaseLoss) -> Tensor:
        """Return the loss of the embeddings before the neck."""
        del base_loss
        return batch_hard_triplet_loss(
            outputs.embeddings.before_neck, outputs.labels, margin=self.margin
        )


def build(settings: Settings) -> Triplet:
    """Return the term with these settings."""
    return Triplet(margin=settings.margin)
