"""Inner products in float64, the same to the bit for equal vectors wherever they are computed.

A product of two float32 is exact in float64, and each pair is summed the same way. (A BLAS routine
would promise neither.)
"""

import numpy as np
from numpy.typing import NDArray

_ROWS = 4096
"""Computed at once."""

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Integers = NDArray[np.int64]


def exact_products(query: Float32s, gallery: Float32s, images: Integers) -> Float64s:
    """Return the inner products of a vector with some rows, (images,).

    Args:
        query: (D,).
        gallery: (G, D).
        images: Rows of the gallery.
    """
    wide = query.astype(np.float64)
    parts = [images[i : i + _ROWS] for i in range(0, len(images), _ROWS)]
    return np.concatenate([np.sum(gallery[part] * wide, axis=1) for part in parts])


def exact_pairs(a: Float32s, rows: Integers, b: Float32s, columns: Integers) -> Float64s:
    """Return the inner products of pairs of rows of `a` and of `b`, (pairs,)."""
    products = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        products[part] = np.sum(a[rows[part]].astype(np.float64) * b[columns[part]], axis=1)
    return products
