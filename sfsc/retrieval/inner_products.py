"""Inner products of unit vectors: fast ones with a bounded error, and reproducible ones.

The last bits of a matrix product depend on the block's shape, on a vector's place in it and on the
machine: two copies of an image may score differently. Scores that are closer than `TOLERANCE` are
therefore computed again, pair by pair in float64, with the additions in a fixed order. These values
are the same to the bit on every device, for every block size and for every copy of an image.
"""

import torch
from torch import Tensor

TOLERANCE = 2.0**-19
"""Several times the error of `fast_products`. A larger value gives the same ranks, more slowly."""

_PAIRS = 1024
"""Pairs computed at once: few enough for the cache of a processor."""


def fast_products(a: Tensor, b: Tensor) -> Tensor:
    """Return all inner products of two sets of unit vectors, with an error below `TOLERANCE` / 2.

    float32 on a CPU, by numpy's OpenBLAS: the MKL of torch takes 1.7 times as long on AMD's. A GPU
    multiplies float64, as it may round float32 to TF32 first.

    Args:
        a: float32, (A, D).
        b: float32, (B, D).

    Returns:
        Shape (A, B).
    """
    if a.device.type == "cuda":
        return a.double() @ b.double().T
    return torch.from_numpy(a.numpy() @ b.numpy().T)


def exact_products(a: Tensor, b: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the inner products of pairs of vectors, the same to the bit wherever computed.

    A product of two float32 numbers is exact in float64; the D products are added as a tree.

    Args:
        a: float32, (A, D).
        b: float32, (B, D).
        rows: Index into `a` of each pair, (pairs,).
        columns: Index into `b` of each pair, (pairs,).

    Returns:
        float64, shape (pairs,).

    >>> a = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> exact_products(a, a, torch.tensor([0, 0]), torch.tensor([0, 1])).tolist()
    [14.0, 32.0]
    """
    return torch.cat(
        [
            _add_up(a.index_select(0, row).double() * b.index_select(0, column))
            for row, column in zip(
                torch.split(rows, _PAIRS), torch.split(columns, _PAIRS), strict=True
            )
        ]
    )


def _add_up(products: Tensor) -> Tensor:
    """Return the sum of each row of (pairs, D), in the order of a tree.

    The right half of the columns is added to the left half until one column is left; the middle one
    of an odd number stays as it is.
    """
    while (width := products.shape[1]) > 1:
        half = width // 2
        added = products[:, :half] + products[:, width - half :]
        products = torch.cat([added, products[:, half : width - half]], 1) if width % 2 else added
    return products[:, 0]


def order_by_score(owners: Tensor, scores: Tensor) -> Tensor:
    """Return the order that sorts pairs by owner, then by descending score; ties stay in order.

    Args:
        owners: (pairs,).
        scores: (pairs,).

    >>> order_by_score(torch.tensor([0, 0, 0, 1]), torch.tensor([0.5, 0.9, 0.5, 1.0])).tolist()
    [1, 0, 2, 3]
    """
    order = scores.argsort(descending=True, stable=True)
    return order[owners[order].argsort(stable=True)]
