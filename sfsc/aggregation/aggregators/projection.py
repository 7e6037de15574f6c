"""Projection of conflicting gradients, for nested sub-models (DESIGN.md 2.3, paper).

Gradient surgery (Yu et al., arXiv 2001.06782, algorithm 1): for each sub-model i in turn and the
others j in random order, if the running g_i has a negative inner product with the *original* g_j,
subtract its projection on g_j. The update is the sum of the results.

Differs from the paper: with granularity `nested` the inner product and the subtraction run over the
intersection of the two blocks. Over zero-padded vectors (`whole`) a small sub-model's projection on
a large gradient leaves most of the conflict inside its block and writes into weights that it does
not own.

Every running g_i is a combination of the rows on each shell, so that the whole algorithm runs on
the coefficients and the (M, M) Gramians of the shells.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sfsc.aggregation.base import Aggregator, map_distinct, owner_share
from sfsc.aggregation.jacobian import Granularity, NestedJacobian
from sfsc.settings.section import Part


class Settings(Part):
    """What the inner products run over, and how the projected gradients become one."""

    granularity: Granularity = "nested"
    """What an inner product and its subtraction run over."""
    reduction: Literal["sum", "mean"] = "mean"
    """The sum of the projected gradients, or their mean over the sub-models that own a weight."""


class Projection(Aggregator):
    """Sum of the projected rows, or their mean over the owners of each shell.

    Args:
        granularity: What an inner product and its subtraction run over.
        reduction: `sum` or `mean`.
    """

    def __init__(
        self, granularity: Granularity = "nested", reduction: Literal["sum", "mean"] = "sum"
    ) -> None:
        self.granularity = granularity
        self.reduction = reduction

    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the weights of the rows in the reduction of all projected rows."""
        scale = owner_share(jacobian) if self.reduction == "mean" else 1.0
        orders = projection_orders(len(jacobian.rows), generator)
        return map_distinct(
            lambda gramian: projection_weights(gramian, orders) * scale,
            jacobian.gramians(self.granularity),
        )


def projection_orders(m: int, generator: torch.Generator) -> list[list[int]]:
    """Return for each of M rows the others in random order."""
    orders = []
    for i in range(m):
        others = [j for j in range(m) if j != i]
        shuffled = torch.randperm(m - 1, generator=generator).tolist()
        orders.append([others[k] for k in shuffled])
    return orders


def projection_weights(gramian: Tensor, orders: list[list[int]]) -> Tensor:
    """Return the weights of the rows in the sum of the projected rows, on each shell.

    Args:
        gramian: Inner products of the rows on each shell, (..., S, M, M), on the CPU. Rows i and j
            meet on the shells up to min(i, j); with S = 1 all rows meet on the one shell.
        orders: For each row i the other rows in the order in which it meets them.

    Returns:
        Shape (..., S, M).
    """
    inner_products = gramian.numpy()  # which is called many times for little: numpy is quicker
    total = np.zeros(inner_products.shape[:-1])
    for i, others in enumerate(orders):
        running = np.zeros_like(total)  # the projected g_i in terms of the rows, (..., S, M)
        running[..., i] = 1.0
        for j in others:
            meet = min(i, j) + 1
            column = inner_products[..., :meet, :, j]
            inner = (running[..., :meet, :] * column).sum(axis=(-2, -1))
            norm = column[..., j].sum(axis=-1)
            conflict = (inner < 0) & (norm > 0)
            step = np.divide(inner, norm, out=np.zeros_like(inner), where=conflict)
            running[..., :meet, j] -= step[..., None]
        total += running
    return torch.from_numpy(total)


def build(settings: Settings) -> Projection:
    """Return the projection with these settings."""
    return Projection(settings.granularity, settings.reduction)
