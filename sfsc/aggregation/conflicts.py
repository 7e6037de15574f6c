"""How far the sub-models' gradients disagree, in direction and magnitude (claim C5, DESIGN.md 1).

The *common block* is what all sub-models own: the smallest one's block of the shared parameters.
"""

from collections.abc import Collection, Mapping
from math import prod

import torch
from torch import Tensor

from sfsc.aggregation.aggregators.projection import projection_orders, projection_weights
from sfsc.aggregation.base import owner_share
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.networks.switchable import leading_block


def pairwise_cosines(gramian: Tensor) -> Tensor:
    """Return the cosine of each pair of rows on the intersection of their blocks.

    A pair conflicts where its cosine is negative. With S = 1 (`whole`) the rows are zero-padded
    vectors; with S = M rows i and j meet on the shells up to min(i, j).

    Args:
        gramian: Inner products on each shell, shape (S, M, M), from
            `NestedJacobian.gramians`.

    Returns:
        Shape (M, M), symmetric, in [-1, 1]; 0 where a row is zero on the intersection.
    """
    shells, m, _ = gramian.shape
    blocks = gramian.cumsum(dim=0)  # on the block of each sub-model
    index = torch.arange(m, device=gramian.device)
    smaller = torch.minimum(index[:, None], index[None, :]).clamp(max=shells - 1)
    inner = blocks[smaller, index[:, None], index[None, :]]
    first = blocks[smaller, index[:, None], index[:, None]]
    second = blocks[smaller, index[None, :], index[None, :]]
    product = (first * second).clamp(min=0.0).sqrt()
    is_defined = product > 0
    cosine = inner / torch.where(is_defined, product, 1.0)
    return torch.where(is_defined, cosine, 0.0).clamp(-1.0, 1.0)


def projection_change(gramian: Tensor) -> float:
    """Return how far the nested projection moves the mean of the rows, relative to the mean's norm.

    The rows 2 and -1 have the mean 1/2. Each loses its projection on the other, all of it:

    >>> projection_change(torch.tensor([[[4.0, -2.0], [-2.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]))
    1.0

    Args:
        gramian: Inner products on each shell, shape (M, M, M), on the CPU, from
            `NestedJacobian.gramians`.

    Returns:
        `norm(projected - mean) / norm(mean)`, both means over the owners of each shell, for one
        fixed order of projections; 0 without conflicts, or if the mean is 0.
    """
    m, products = len(gramian), gramian.double()
    share = owner_share(m, products.device)
    orders = projection_orders(m, torch.Generator())
    change = share * (projection_weights(products, orders) - 1.0)

    def norm(weights: Tensor) -> float:
        squares = torch.einsum("si,sij,sj->", weights, products, weights)
        return float(squares.clamp(min=0.0).sqrt())

    mean = norm(share.expand(m, m))
    return norm(change) / mean if mean > 0 else 0.0


def update_cosines(jacobian: NestedJacobian, update: Mapping[str, Tensor]) -> Tensor:
    """Return the cosine of the update with each row, on the row's block of the shared parameters.

    Negative where following the update goes against a sub-model.

    Args:
        jacobian: Gradients of M sub-models.
        update: Parameter name to update, from an aggregator.

    Returns:
        Shape (M,), in [-1, 1]; 0 where either is zero on the block.
    """
    cosines = []
    for row in jacobian.rows:
        pairs = [
            (row[name].flatten(), leading_block(update[name], row[name].shape).flatten())
            for name in jacobian.shared_names
        ]
        own, step = (torch.cat(vectors).double() for vectors in zip(*pairs, strict=True))
        cosines.append(torch.nn.functional.cosine_similarity(own, step, dim=0))
    return torch.stack(cosines)


def common_norms(jacobian: NestedJacobian, *, without: Collection[str] = ()) -> list[Tensor]:
    """Return the norm of each row on the common block, scalars; none if there is one sub-model.

    Args:
        jacobian: Gradients of M sub-models.
        without: Names of parameters that are left out.

    >>> rows = [{"w": torch.ones(1)}, {"w": torch.tensor([3.0, 4.0])}]
    >>> common_norms(NestedJacobian(rows))
    [tensor(1.), tensor(3.)]
    """
    if not jacobian.shared_names:
        return []
    rows = _common_rows(jacobian, without)
    return list(torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64).to(rows.dtype))


def common_cosines(jacobian: NestedJacobian, *, without: Collection[str] = ()) -> Tensor:
    """Return the cosine of each pair of rows on the common block.

    Args:
        jacobian: Gradients of M sub-models, M at least 2.
        without: Names of parameters that are left out.

    Returns:
        Shape (M, M), symmetric, in [-1, 1]; 0 where a row is zero on the block.
    """
    rows = _common_rows(jacobian, without).double()
    return pairwise_cosines((rows @ rows.mT)[None])


def _common_rows(jacobian: NestedJacobian, without: Collection[str]) -> Tensor:
    """Return the rows on the common block, (M, N)."""
    smallest = jacobian.blocks[0]
    parts = torch.split(smallest, [prod(shape) for shape in jacobian.shapes[0]], dim=1)
    kept = [p for name, p in zip(jacobian.shared_names, parts, strict=True) if name not in without]
    return torch.cat(kept, dim=1) if len(kept) < len(parts) else smallest
