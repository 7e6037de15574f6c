"""What a sub-model minimises: its base loss and the terms of its method (DESIGN.md 2.2, 2.4).

    w_b L_base + sum over terms of w_t L_t

w_b is 1 for a full model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sfsc.losses.base import BaseLoss
from sfsc.losses.evidential import DEFAULT_EVIDENCE, Evidence, dirichlet, uncertainty
from sfsc.losses.term import Outputs, Term


@dataclass(frozen=True)
class Objective:
    """The loss of one sub-model on one batch, and its parts."""

    total: Tensor
    """Scalar to differentiate."""
    weight: float
    """Sum of the weights of the losses that the sub-model has."""
    losses: Mapping[str, Tensor]
    """`base` and each term before its weight, scalars without gradient; 0 where the
    sub-model does not have a term."""
    uncertainty: Tensor
    """Mean uncertainty of the batch, scalar without gradient."""

    def detach(self) -> "Objective":
        """Return the same numbers without their graph."""
        return replace(self, total=self.total.detach())


@dataclass(frozen=True)
class WeightedTerm:
    """A loss term and its weight."""

    weight: float
    loss: Term


@dataclass(frozen=True)
class Criterion:
    """The objective of every sub-model of a training."""

    base_loss: BaseLoss
    terms: Mapping[str, WeightedTerm]
    """By name."""
    submodel_base_weight: float = 1.0
    """w_b of every sub-model but the full one."""

    @property
    def evidence(self) -> Evidence:
        """The evidence function of the recorded uncertainty: that of a term, else the default."""
        used = (term.loss.evidence for term in self.terms.values())
        return next(filter(None, used), DEFAULT_EVIDENCE)

    def __call__(self, outputs: Outputs) -> Objective:
        """Return the objective of one sub-model.

        Args:
            outputs: What the sub-model makes of a batch.
        """
        base = self.base_loss(outputs.logits, outputs.labels)
        weight = 1.0 if outputs.is_full else self.submodel_base_weight
        total = weight * base
        losses = {"base": base}
        for name, term in self.terms.items():
            loss = term.loss(outputs, self.base_loss)
            if loss is not None:
                total, weight = total + term.weight * loss, weight + term.weight
            losses[name] = base.new_zeros(()) if loss is None else loss
        with torch.no_grad():
            alpha = dirichlet(outputs.logits, evidence=self.evidence)
            detached = {name: loss.detach() for name, loss in losses.items()}
            return Objective(total, weight, detached, uncertainty(alpha).mean())
