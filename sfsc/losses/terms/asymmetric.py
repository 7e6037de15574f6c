"""Asymmetric losses: a sub-model's embeddings against its target's (DESIGN.md 2.4).

Asymmetric metric learning (Budnik and Avrithis, arXiv 2006.16331): the anchors are the sub-model's,
positives and negatives are the target's, as when a small model's query searches a large model's
gallery. An anchor's own image counts among its positives, so that each anchor has one.

Differs from the paper: Euclidean distances of unit vectors in place of cosines.
"""

from typing import ClassVar, Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor
from torch.nn import functional

from sfsc.losses.base import BaseLoss
from sfsc.losses.term import Outputs, Term
from sfsc.settings.section import NonNegative, TermSettings

Kind = Literal["regression", "contrastive", "triplet"]


class Settings(TermSettings):
    """A loss of the distances to the target's embeddings."""

    needs: ClassVar[Literal["target"]] = "target"

    kind: Kind = "regression"
    """What is asked of the distances to the target's embeddings."""
    margin: NonNegative | None = None
    """For `contrastive` and `triplet`: a Euclidean distance between unit vectors; null for
    `regression`."""

    @model_validator(mode="after")
    def _check_margin(self) -> Self:
        if (self.kind == "regression") != (self.margin is None):
            raise ValueError(
                "`margin` must be null with `kind: regression` and a distance with the other "
                f"kinds. Found `kind = {self.kind}`, `margin = {self.margin}`."
            )
        return self


def asymmetric_loss(
    embedding: Tensor, target: Tensor, labels: Tensor, *, kind: Kind, margin: float | None = None
) -> Tensor:
    """Return the loss of a sub-model's embeddings towards the target's of the same images.

    Args:
        embedding: Of the sub-model, after the neck, of any length, shape (B, D).
        target: Of the target, shape (B, D).
        labels: Identities, shape (B,).
        kind: `regression`, `contrastive` or `triplet`.
        margin: Of the last two: Euclidean distance of unit vectors, at least 0.

    Returns:
        Scalar.

    Raises:
        ValueError: If there is a margin for `regression` or none for another kind.

    >>> sub, full = torch.tensor([[1.0, 0.0], [0.0, -2.0]]), torch.eye(2)
    >>> asymmetric_loss(sub, full, torch.tensor([0, 1]), kind="regression")
    tensor(2.)
    """
    distances = _distances(functional.normalize(embedding), functional.normalize(target))
    same = labels[:, None] == labels
    if kind == "regression" and margin is None:
        return regression(distances)
    if kind == "regression" or margin is None:
        raise ValueError(
            "`margin` must be None with `kind = regression` and a distance with the other kinds. "
            f"Found `kind = {kind}`, `margin = {margin}`."
        )
    return (contrastive if kind == "contrastive" else triplet)(distances, same, margin=margin)


def regression(distances: Tensor) -> Tensor:
    """Return the mean squared distance of each image's two embeddings.

    Args:
        distances: From each anchor to each of the target's embeddings, shape (B, B).
    """
    return distances.diagonal().square().mean()


def contrastive(distances: Tensor, same: Tensor, *, margin: float) -> Tensor:
    """Return the mean of `d^2` over positive pairs plus that of `max(0, m - d)^2` over negatives.

    The two means make the loss independent of how many images a batch has of an identity. Without
    negatives the second is 0.

    Args:
        distances: From each anchor to each of the target's embeddings, shape (B, B).
        same: Whether the two show one identity, shape (B, B).
        margin: Distance that negatives must keep.
    """
    pull = torch.where(same, distances, 0.0).square().sum() / same.sum()
    violation = torch.where(same, 0.0, (margin - distances).clamp(min=0.0))
    return pull + violation.square().sum() / (~same).sum().clamp(min=1)


def triplet(distances: Tensor, same: Tensor, *, margin: float) -> Tensor:
    """Return the mean over anchors of `max(0, m + d(hardest positive) - d(hardest negative))`.

    An anchor without a negative in the batch does not count; with none at all the loss is 0.

    Args:
        distances: From each anchor to each of the target's embeddings, shape (B, B).
        same: Whether the two show one identity, shape (B, B).
        margin: How much farther the negative must be.
    """
    hardest_positive = distances.masked_fill(~same, -torch.inf).amax(dim=1)
    hardest_negative = distances.masked_fill(same, torch.inf).amin(dim=1)
    violation = (margin + hardest_positive - hardest_negative).clamp(min=0.0)
    return violation.sum() / (~same).any(dim=1).sum().clamp(min=1)


def _distances(anchors: Tensor, others: Tensor) -> Tensor:
    """Euclidean distances (B, B); the differences are formed so that near duplicates stay exact."""
    squared = (anchors[:, None, :] - others[None, :, :]).square().sum(dim=2)
    # The square root has no gradient at 0, where a sub-model equals its target.
    return squared.clamp(min=torch.finfo(squared.dtype).tiny).sqrt()


class Asymmetric(Term):
    """An asymmetric loss of every sub-model that has a target.

    Args:
        kind: `regression`, `contrastive` or `triplet`.
        margin: Of the last two: Euclidean distance of unit vectors, at least 0.
    """

    def __init__(self, *, kind: Kind, margin: float | None = None) -> None:
        self.kind: Kind = kind
        self.margin = margin

    def __call__(self, outputs: Outputs, base_loss: BaseLoss) -> Tensor | None:
        """Return the loss towards the target's embeddings, None without a target."""
        del base_loss
        if outputs.target is None:
            return None
        return asymmetric_loss(
            outputs.embeddings.embedding,
            outputs.target.embedding,
            outputs.labels,
            kind=self.kind,
            margin=self.margin,
        )


def build(settings: Settings) -> Asymmetric:
    """Return the term with these settings."""
    return Asymmetric(kind=settings.kind, margin=settings.margin)
