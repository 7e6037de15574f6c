"""Base loss: softmax cross-entropy over the training identities (DESIGN.md 2.2)."""

from torch import Tensor
from torch.nn import functional


def identity_loss(logits: Tensor, labels: Tensor, *, label_smoothing: float) -> Tensor:
    """Return the mean cross-entropy with label smoothing (Szegedy et al., arXiv 1512.00567).

    Args:
        logits: z, shape (B, C).
        labels: Identities, int64 in [0, C), shape (B,).
        label_smoothing: Share of the target mass spread evenly over all C identities, in [0, 1).

    Returns:
        Scalar.
    """
    return functional.cross_entropy(logits, labels, label_smoothing=label_smoothing)
