"""The contract of a base loss: how a classifier scores embeddings, and the loss of the scores.

The two are separate because the scores are also evidence (DESIGN.md 2.2). A margin is not part of a
score: it needs the label, and would count as evidence against the true identity.
"""

from abc import ABC, abstractmethod

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from sfsc.settings.section import Part, Positive


class BaseLoss(ABC):
    """The loss that trains a network to tell the training identities apart."""

    @abstractmethod
    def logits(self, embedding: Tensor, classifier: Tensor) -> Tensor:
        """Score each identity.

        Args:
            embedding: f, after the neck, shape (B, D).
            classifier: w, one row for each identity, shape (C, D).

        Returns:
            Shape (B, C).
        """

    @abstractmethod
    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of a batch.

        Args:
            logits: Returned by `logits`, shape (B, C).
            labels: Identities, int64 in [0, C), shape (B,).

        Returns:
            Scalar.
        """


class BaseSettings(Part):
    """The settings that all base losses have."""

    label_smoothing: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the target mass spread evenly over all C identities."""


class CosineSettings(BaseSettings):
    """The settings of base losses with a margin on the cosine."""

    scale: Positive = 16.0
    """Factor of the cosines."""
    margin: float = Field(default=0.2, ge=0.0)
    """By how much the true identity must beat the others, as a cosine."""


class CosineLoss(BaseLoss):
    """Cross-entropy of scaled cosines: an identity is a direction, a score the cosine to it.

    Args:
        scale: Factor of the cosines, greater than 0.
        margin: How much better than the others the true identity must do, at least 0.
        label_smoothing: Share of the target mass spread evenly over all C identities, in [0, 1).
    """

    def __init__(self, *, scale: float, margin: float, label_smoothing: float = 0.0) -> None:
        self.scale = scale
        self.margin = margin
        self.label_smoothing = label_smoothing

    @abstractmethod
    def with_margin(self, cosine: Tensor, is_true: Tensor) -> Tensor:
        """Return the cosines with the margin applied.

        Args:
            cosine: Shape (B, C), in [-1, 1] up to rounding.
            is_true: Whether a cosine is that of the true identity, shape (B, C).

        Returns:
            Shape (B, C).
        """

    def logits(self, embedding: Tensor, classifier: Tensor) -> Tensor:
        """Return `scale * cos(f, w)`; a vector of length 0 has cosine 0."""
        return self.scale * functional.linear(
            functional.normalize(embedding), functional.normalize(classifier)
        )

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy of the scaled cosines with margin."""
        identities = torch.arange(logits.shape[1], device=labels.device)
        cosine = self.with_margin(logits / self.scale, labels[:, None] == identities)
        return functional.cross_entropy(
            self.scale * cosine, labels, label_smoothing=self.label_smoothing
        )
