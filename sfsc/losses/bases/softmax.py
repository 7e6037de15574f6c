"""Softmax cross-entropy over the training identities (DESIGN.md 2.2, paper)."""

from torch import Tensor
from torch.nn import functional

from sfsc.losses.base import BaseLoss, BaseSettings


class Settings(BaseSettings):
    """Softmax cross-entropy with label smoothing."""


class Softmax(BaseLoss):
    """Cross-entropy with label smoothing (Szegedy et al., arXiv 1512.00567).

    Args:
        label_smoothing: Share of the target mass spread evenly over all C identities, in [0, 1).

    >>> import torch
    >>> loss = Softmax()
    >>> logits = loss.logits(torch.eye(2), classifier=4.0 * torch.eye(2))
    >>> loss(logits, torch.tensor([0, 1]))
    tensor(0.0181)
    """

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def logits(self, embedding: Tensor, classifier: Tensor) -> Tensor:
        """Return `w . f`."""
        return functional.linear(embedding, classifier)

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy."""
        return functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)


def build(settings: Settings) -> Softmax:
    """Return the loss with these settings."""
    return Softmax(label_smoothing=settings.label_smoothing)
