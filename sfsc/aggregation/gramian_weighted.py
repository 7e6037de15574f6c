"""Aggregators that see nothing but Gramians: TorchJD's weightings on nested sub-models.

TorchJD's contract is a Gramian (M, M) to weights (M,), for objectives that all share all
parameters. Nested sub-models do so on each shell among its owners (DESIGN.md 2.3): each shell is a
problem of its own, with the Gramian of its owners' rows.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from sfsc.aggregation.base import Aggregator, map_distinct, owner_share
from sfsc.aggregation.jacobian import Granularity, NestedJacobian
from sfsc.settings.section import Part


class GramianSettings(Part):
    """The settings of TorchJD's aggregators."""

    granularity: Literal["nested", "whole", "layer"] = "nested"
    """What a Gramian runs over."""
    reduction: Literal["sum", "mean"] = "mean"
    """The weighted sum of the gradients, or its mean over the sub-models that own a weight."""


class GramianWeighted(Aggregator):
    """The rows with the weights that a function of their Gramian gives them.

    The weights are on the plain sum's scale, so that a learning rate means the same: a weighting of
    n owners whose weights are around 1 / n, as TorchJD's are, is multiplied by n. A shell with one
    owner, and one on which all rows are zero, has weight 1.

    Args:
        weighting: Gramian (n, n), float64, positive semi-definite, with a trace of 1, to weights
            (n,) that are 1 / n where nothing conflicts or sum to 1.
        granularity: What a Gramian runs over.
        reduction: `sum`, or `mean` over the owners of each shell: the weights as TorchJD has them.
    """

    def __init__(
        self,
        weighting: Callable[[Tensor], Tensor],
        granularity: Granularity = "nested",
        reduction: Literal["sum", "mean"] = "sum",
    ) -> None:
        self.weighting = weighting
        self.granularity = granularity
        self.reduction = reduction

    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the weights that the shells' Gramians have."""
        del generator  # nothing is random
        scale = owner_share(jacobian) if self.reduction == "mean" else 1.0
        return map_distinct(
            lambda gramian: self._solve(gramian) * scale, jacobian.gramians(self.granularity)
        )

    def _solve(self, gramian: Tensor) -> Tensor:
        """Weights (K, S, M) of Gramians (K, S, M, M)."""
        weights = torch.ones_like(gramian[..., 0])
        for kernel, shells in enumerate(gramian):
            for first, shell in enumerate(shells):  # rows before the first do not own the shell
                owners = len(shell) - first
                trace = shell.trace().item()
                if owners > 1 and 0.0 < trace < math.inf:
                    block = _semi_definite(shell[first:, first:] / trace)
                    weights[kernel, first, first:] = owners * self.weighting(block)
        return weights


def _semi_definite(gramian: Tensor) -> Tensor:
    """The nearest positive semi-definite matrix.

    A shell's Gramian is the difference of two blocks', so that rounding can leave one that no rows
    have, on which solvers fail.
    """
    values, vectors = torch.linalg.eigh(gramian)
    nearest: Tensor = (vectors * values.clamp(min=0.0)) @ vectors.mT
    return nearest
