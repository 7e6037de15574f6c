"""Influence loss of backward-compatible training (Shen et al., arXiv 2003.11942; DESIGN.md 2.4)."""

from typing import ClassVar, Literal

from torch import Tensor

from sfsc.losses.base import BaseLoss
from sfsc.losses.term import Outputs, Term
from sfsc.settings.section import TermSettings


class Settings(TermSettings):
    """The base loss through the target's frozen classifier."""

    needs: ClassVar[Literal["target"]] = "target"


class Influence(Term):
    """The base loss of a sub-model's embeddings through the frozen classifier of its target."""

    def __call__(self, outputs: Outputs, base_loss: BaseLoss) -> Tensor | None:
        """Return the base loss through the target's classifier, None without a target."""
        if outputs.target is None:
            return None
        logits = base_loss.logits(outputs.embeddings.embedding, outputs.target.classifier)
        return base_loss(logits, outputs.labels)


def build(settings: Settings) -> Influence:
    """Return the term; it has no settings beside its weight."""
    del settings
    return Influence()
