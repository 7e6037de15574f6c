"""Projection of conflicting gradients, for nested sub-models (DESIGN.md 2.3, paper).

Gradient surgery (Yu et al., arXiv 2001.06782, algorithm 1): for each sub-model i, visit the others
j in random order; if the running g_i has a negative inner product with the *original* g_j, subtract
its projection on g_j. The update is the sum of the results.

Differs from the paper: with granularity `nested` the inner product and the subtraction run over the
intersection of the two blocks. With zero-padded vectors (`whole`) the projection of a small
sub-model on a large gradient leaves most of the conflict inside its block and writes into weights
that it does not own.

Every running g_i is a linear combination of the rows on each shell. The whole algorithm therefore
runs on the coefficients and the (M, M) Gramians of the shells, for all sub-models at once.
"""

from typing import Literal

import torch
from torch import Tensor

from sfsc.aggregation.base import Aggregator, owner_share
from sfsc.aggregation.jacobian import Granularity, Names, NestedJacobian
from sfsc.settings.section import Part


class Settings(Part):
    """What the inner products run over, and how the projected gradients become one."""

    granularity: Granularity = "nested"
    """What an inner product and its subtraction run over."""
    reduction: Literal["sum", "mean"] = "mean"
    """The sum of the projected gradients, or their mean over the sub-models that own a weight."""


class Projection(Aggregator):
    """Returns the sum of the projected rows, or their mean over the owners of each shell.

    On the first weight, which both sub-models own, the rows 2 and -1 conflict: each loses its
    projection on the other, which is all of it.

    >>> rows = [{"w": torch.tensor([2.0])}, {"w": torch.tensor([-1.0, 7.0])}]
    >>> Projection()(NestedJacobian(rows), torch.Generator())["w"]
    tensor([0., 7.])

    Args:
        granularity: What an inner product and its subtraction run over.
        reduction: `sum` or `mean`.
    """

    def __init__(
        self, granularity: Granularity = "nested", reduction: Literal["sum", "mean"] = "sum"
    ) -> None:
        self.granularity = granularity
        self.reduction = reduction

    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[Names, Tensor]:
        """Return the weights, computed where the gradients are, so that no GPU is waited for."""
        gramians = jacobian.gramians(self.granularity)
        orders = projection_orders(len(jacobian.rows), generator)
        return jacobian.solve(self._solve, gramians, orders)

    def _solve(self, gramian: Tensor, orders: Tensor) -> Tensor:
        weights = projection_weights(gramian, orders)
        if self.reduction == "mean":
            weights = weights * owner_share(len(orders), orders.device)
        return weights


def projection_orders(m: int, generator: torch.Generator) -> Tensor:
    """Return for each of M rows the indices of the others in random order, int64, (M, M - 1).

    >>> projection_orders(3, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 2])
    """
    others = [torch.tensor([j for j in range(m) if j != i], dtype=torch.int64) for i in range(m)]
    return torch.stack([row[torch.randperm(m - 1, generator=generator)] for row in others])


def projection_weights(gramian: Tensor, orders: Tensor) -> Tensor:
    """Return the weights of the rows in the sum of the projected rows, on each shell.

    The rows (1, 0) and (-1, 1), compared as whole vectors, become (1/2, 1/2) and (0, 1):

    >>> gramian = torch.tensor([[1.0, -1.0], [-1.0, 2.0]]).double()
    >>> projection_weights(gramian[None], torch.tensor([[1], [0]]))
    tensor([[2.0000, 1.5000]], dtype=torch.float64)

    Args:
        gramian: Inner products of the rows on each shell, (..., S, M, M). Rows i and j meet on the
            shells up to min(i, j); with S = 1 all rows meet on the one shell.
        orders: For each row i the other rows in the order in which it meets them, (M, M - 1).

    Returns:
        Shape (..., S, M).
    """
    shells, m, _ = gramian.shape[-3:]
    rows, shell = (torch.arange(n, device=gramian.device) for n in (m, shells))
    partners = orders.T[:, None]  # (M - 1, 1, M): in each round every row meets another one
    is_met = (torch.minimum(rows, partners) >= shell[:, None])[..., None]
    meets = (is_met & (partners[..., None] == rows)).to(gramian.dtype)  # (M - 1, S, M, M)
    products = meets @ gramian.mT[..., None, :, :, :]  # (..., M - 1, S, M, M)
    squares = (products * meets).sum(dim=(-3, -1))  # (..., M - 1, M)
    squares = squares.masked_fill(squares <= 0, torch.inf)  # a row of zeros is never subtracted
    running = torch.eye(m, dtype=gramian.dtype, device=gramian.device)
    for t in range(m - 1):
        inner = (running * products[..., t, :, :, :]).sum(dim=(-3, -1))  # (..., M)
        share = inner.clamp(max=0) / squares[..., t, :]
        # running[..., s, i, j] is the coefficient of row j in the running g_i on shell s.
        running = running - share[..., None, :, None] * meets[t]
    return running.sum(dim=-2)


def build(settings: Settings) -> Projection:
    """Return the projection with these settings."""
    return Projection(settings.granularity, settings.reduction)
