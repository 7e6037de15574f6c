"""Aggregators that need only Gramians: TorchJD's weightings on nested sub-models.

A TorchJD weighting maps a Gramian (M, M) to weights (M,), for objectives that share all parameters.
Nested sub-models do so shell by shell, among the shell's owners (DESIGN.md 2.3): each shell is a
problem of its own, with the Gramian of its owners' rows.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from sfsc.aggregation.base import Aggregator, owner_share
from sfsc.aggregation.jacobian import Granularity, Names, NestedJacobian, solve_groups
from sfsc.settings.section import Part


class GramianSettings(Part):
    """The settings of TorchJD's aggregators."""

    granularity: Literal["nested", "whole", "layer"] = "nested"
    """What a Gramian runs over."""
    reduction: Literal["sum", "mean"] = "mean"
    """The weighted sum of the gradients, or its mean over the sub-models that own a weight."""


class GramianWeighted(Aggregator):
    """Weights the rows by a function of their Gramian.

    The weights are on the scale of the plain sum, so that a learning rate keeps its meaning:
    TorchJD's weights, about 1 / n for n owners, are multiplied by n. A shell with one owner, or
    on which all rows are zero, has weight 1.

    >>> from torchjd.aggregation import UPGradWeighting
    >>> rows = [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([-1.0, 1.0])}]
    >>> upgrad = GramianWeighted(UPGradWeighting(), "whole")
    >>> upgrad(NestedJacobian(rows), torch.Generator())["w"].round(decimals=2)
    tensor([0.5000, 1.5000])

    Args:
        weighting: Maps a Gramian (n, n), float64, positive semi-definite, of trace 1, to weights
            (n,) that are 1 / n without conflict or sum to 1.
        granularity: What a Gramian runs over.
        reduction: `sum`, or `mean` over the owners of each shell: TorchJD's own weights.
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

    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[Names, Tensor]:
        """Return the weights, computed on the CPU, where the solvers run."""
        del generator  # nothing is random
        cpu = torch.device("cpu")
        scale = owner_share(len(jacobian.rows), cpu) if self.reduction == "mean" else 1.0
        return solve_groups(
            lambda gramian: self._solve(gramian.cpu()) * scale, jacobian.gramians(self.granularity)
        )

    def _solve(self, gramian: Tensor) -> Tensor:
        """Return the weights (K, S, M) for Gramians (K, S, M, M)."""
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
    """Return the nearest positive semi-definite matrix.

    A shell's Gramian is the difference of two blocks' Gramians. Rounding can give it negative
    eigenvalues, on which the solvers fail.
    """
    values, vectors = torch.linalg.eigh(gramian)
    nearest: Tensor = (vectors * values.clamp(min=0.0)) @ vectors.mT
    return nearest
