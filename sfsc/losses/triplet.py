"""Batch-hard triplet loss (Hermans et al., arXiv 1703.07737, eq. 5; DESIGN.md 2.2)."""

import torch
from torch import Tensor


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
