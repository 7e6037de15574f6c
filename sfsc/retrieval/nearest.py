"""The k nearest images of each image by cosine, the same on every device, ties by index."""

from typing import NamedTuple

import torch
from torch import Tensor

from sfsc.retrieval.arrays import Float64s, Integers
from sfsc.retrieval.inner_products import (
    TOLERANCE,
    exact_products,
    fast_products,
    order_by_score,
)
from sfsc.retrieval.ranking import BLOCK_QUERIES, BLOCK_SCORES


class Nearest(NamedTuple):
    """The nearest images of some images, the nearest first, equally near ones by index."""

    images: Integers
    """(rows, k)."""
    scores: Float64s
    """Their cosines, (rows, k)."""


def find_nearest(
    rows: Tensor,
    columns: Tensor,
    k: int,
    *,
    is_same: bool = False,
    block_rows: int = BLOCK_QUERIES,
) -> Nearest:
    """Return the images of `columns` that are nearest to each of `rows`.

    Args:
        rows: Unit vectors, (R, D).
        columns: Unit vectors, (C, D).
        k: How many; all where there are fewer.
        is_same: Whether row i is column i, which then is no neighbour of itself.
        block_rows: Rows scored at once; the neighbours do not depend on it.
    """
    k = min(k, len(columns) - is_same)
    block_rows = max(1, min(block_rows, BLOCK_SCORES // len(columns)))
    found = [
        _find_in_block(block, columns, k, number * block_rows if is_same else None)
        for number, block in enumerate(torch.split(rows, block_rows))
    ]
    images, scores = (torch.cat(parts).numpy(force=True) for parts in zip(*found, strict=True))
    return Nearest(images, scores)


def _find_in_block(
    rows: Tensor, columns: Tensor, k: int, own_column: int | None
) -> tuple[Tensor, Tensor]:
    """Return the k nearest columns of each row and their cosines, (B, k) each.

    Args:
        rows: (B, D).
        columns: (C, D).
        k: At most the number of columns that count.
        own_column: The column that is the first row itself; the next is the next row. None: none.
    """
    if k == 0:
        return rows.new_empty((len(rows), 0), dtype=torch.int64), rows.new_empty((len(rows), 0))
    scores = fast_products(rows, columns)
    if own_column is not None:
        scores.diagonal(own_column).fill_(-torch.inf)
    least = scores.topk(k, sorted=False).values.amin(dim=1, keepdim=True)
    owners, images = (scores >= least - TOLERANCE).nonzero(as_tuple=True)
    exact = exact_products(rows, columns, owners, images)
    order = order_by_score(owners, exact)
    every = torch.arange(len(rows), device=rows.device)
    best = torch.searchsorted(owners, every)[:, None] + torch.arange(k, device=rows.device)
    return images[order[best]], exact[order[best]]
