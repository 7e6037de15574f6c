"""The contract of a loss term: what it sees of a sub-model, and what it returns."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from sfsc.losses.base import BaseLoss
from sfsc.losses.evidential import Evidence
from sfsc.networks.switchable import Embeddings


@dataclass(frozen=True)
class Target:
    """The network that a sub-model is to be compatible with, on one batch.

    It is the frozen reference of a one-to-one method, or the full sub-model of the same switchable
    network.
    """

    embedding: Tensor
    """Its embeddings of the same images, after the neck, (B, D); without gradient."""
    classifier: Tensor
    """Its classifier, (C, D); without gradient."""


@dataclass(frozen=True)
class Outputs:
    """What a sub-model makes of one batch."""

    embeddings: Embeddings
    """Before and after the neck, each (B, D)."""
    logits: Tensor
    """z, the base loss's scores through the shared classifier, (B, C)."""
    labels: Tensor
    """Identities, int64 in [0, C), (B,)."""
    is_full: bool
    """Whether the sub-model is the full model of its network."""
    target: Target | None
    """What the sub-model is to be compatible with, if there is something."""
    progress: float | Tensor
    """Share of the training that is done, in [0, 1]; a float64 scalar tensor where steps are
    recorded on a GPU."""


class Term(ABC):
    """A loss beside the base loss."""

    evidence: Evidence | None = None
    """The evidence function, if the term takes logits as evidence."""

    @abstractmethod
    def __call__(self, outputs: Outputs, base_loss: BaseLoss) -> Tensor | None:
        """Return the mean loss of the batch, before its weight.

        Args:
            outputs: What a sub-model makes of the batch.
            base_loss: The base loss of the training.

        Returns:
            Scalar; None if the sub-model does not have the term.
        """
