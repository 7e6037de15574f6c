"""Asymmetric losses: a sub-model's embeddings against a reference's (DESIGN.md 2.4).

Asymmetric metric learning (Budnik and Avrithis, arXiv 2006.16331): the anchors are the sub-model's,
positives and negatives are the reference's, as in retrieval with a small model's queries in a large
model's gallery. An anchor's own image counts among its positives, so that each anchor has one.

Differs from the paper: Euclidean distances of unit vectors in place of cosines.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def asymmetric_loss(
    embedding: Tensor, reference: Tensor, labels: Tensor, *, kind: str, margin: float
) -> Tensor:
    """Return the loss of a sub-model's embeddings towards the reference's of the same images.

    Args:
        embedding: After the neck, of any length, shape (B, D).
        reference: The same images' in the reference, shape (B, D).
        labels: Identities, shape (B,).
        kind: `regression`, `contrastive` or `triplet`.
        margin: Of the last two: Euclidean distance of unit vectors, at least 0.

    Returns:
        Scalar.
    """
    distances = _distances(functional.normalize(embedding), functional.normalize(reference))
    return LOSSES[kind](distances, labels[:, None] == labels, margin)


def regression(distances: Tensor, same: Tensor, margin: float) -> Tensor:
    """Return the mean squared distance of each image's two embeddings.

    Args:
        distances: Of each anchor to each of the reference's embeddings, shape (B, B).
        same: Whether the two are of one identity, shape (B, B).
        margin: Has no meaning here.
    """
    del same, margin
    return distances.diagonal().square().mean()


def contrastive(distances: Tensor, same: Tensor, margin: float) -> Tensor:
    """Return the mean of `d^2` over positive pairs plus that of `max(0, m - d)^2` over negatives.

    The two means make the loss independent of how many images a batch has of an identity. Without
    negatives the second is 0.

    Args:
        distances: Of each anchor to each of the reference's embeddings, shape (B, B).
        same: Whether the two are of one identity, shape (B, B).
        margin: Distance that negatives must keep.
    """
    drawn = torch.where(same, distances, 0.0).square().sum() / same.sum()
    violation = torch.where(same, 0.0, (margin - distances).clamp(min=0.0))
    return drawn + violation.square().sum() / (~same).sum().clamp(min=1)


def triplet(distances: Tensor, same: Tensor, margin: float) -> Tensor:
    """Return the mean over anchors of `max(0, m + d(hardest positive) - d(hardest negative))`.

    An anchor without a negative in the batch does not count; with none at all the loss is 0.

    Args:
        distances: Of each anchor to each of the reference's embeddings, shape (B, B).
        same: Whether the two are of one identity, shape (B, B).
        margin: How much farther the negative must be.
    """
    hardest_positive = distances.masked_fill(~same, -torch.inf).amax(dim=1)
    hardest_negative = distances.masked_fill(same, torch.inf).amin(dim=1)
    violation = (margin + hardest_positive - hardest_negative).clamp(min=0.0)
    return violation.sum() / (~same).any(dim=1).sum().clamp(min=1)


LOSSES: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "regression": regression,
    "contrastive": contrastive,
    "triplet": triplet,
}


def _distances(anchors: Tensor, others: Tensor) -> Tensor:
    """Euclidean distances (B, B); the differences are formed so that near duplicates stay exact."""
    squared = (anchors[:, None, :] - others[None, :, :]).square().sum(dim=2)
    # The square root has no gradient at 0, where a sub-model equals its reference.
    return squared.clamp(min=torch.finfo(squared.dtype).tiny).sqrt()
