"""Softmax cross-entropy over the training identities (DESIGN.md 2.2, paper)."""

from torch import Tensor
from torch.nn import functional

from sfsc.config import Loss
from sfsc.losses.base import BaseLoss


class Softmax(BaseLoss):
    """Cross-entropy with label smoothing (Szegedy et al., arXiv 1512.00567).

    Args:
        label_smoothing: Share of the target mass spread evenly over all C identities, in [0, 1).
    """

    def __init__(self, *, label_smoothing: float) -> None:
        self.label_smoothing = label_smoothing

    def logits(self, embedding: Tensor, classifier: Tensor) -> Tensor:
        """Return `w . f`."""
        return functional.linear(embedding, classifier)

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy."""
        return functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)


def build(section: Loss) -> Softmax:
    """Return the loss with the section's label smoothing; it has neither scale nor margin."""
    return Softmax(label_smoothing=section.label_smoothing)
