"""Exact search: the nearest gallery images of each query by cosine, ties by position."""

import importlib
import importlib.util
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**17
"""Gallery images scored at once: enough for the matrix product to run at full speed."""
BLOCK_SCORES = 2**24
"""Most scores in memory at once, beside the hits."""
FAISS_IMAGES = 1_000_000
"""Gallery images from which faiss searches, where it is installed."""


class Hits(NamedTuple):
    """The nearest images of each query, nearest first."""

    images: NDArray[np.int64]
    """Positions in the gallery, (Q, k)."""
    scores: NDArray[np.float32]
    """Their cosines, (Q, k)."""


def find_nearest(query: NDArray[np.float32], gallery: NDArray[np.float32], k: int) -> Hits:
    """Return the nearest gallery images of each query, found exactly.

    >>> gallery = np.eye(3, dtype=np.float32)
    >>> find_nearest(gallery[1:2], gallery, 2).images.tolist()
    [[1, 0]]

    Args:
        query: Unit vectors, (Q, D).
        gallery: Unit vectors, (N, D).
        k: How many; all where there are fewer.
    """
    k = min(k, len(gallery))
    if len(gallery) >= FAISS_IMAGES and importlib.util.find_spec("faiss"):
        faiss = importlib.import_module("faiss")
        scores, images = faiss.knn(query, gallery, k, metric=faiss.METRIC_INNER_PRODUCT)
        return Hits(images, scores)
    at_once = max(1, BLOCK_SCORES // BLOCK)
    parts = [
        _search(query[first : first + at_once], gallery, k)
        for first in range(0, len(query), at_once)
    ]
    empty = Hits(np.empty((0, k), np.int64), np.empty((0, k), np.float32))
    return Hits(*(np.concatenate(arrays) for arrays in zip(empty, *parts, strict=True)))


def _search(query: NDArray[np.float32], gallery: NDArray[np.float32], k: int) -> Hits:
    """Search block by block, with the k best of the blocks before."""
    rows = np.arange(len(query))
    images = np.zeros((len(query), k), dtype=np.int64)
    scores = np.full((len(query), k), -np.inf, dtype=np.float32)
    memory = np.empty(len(query) * min(BLOCK, len(gallery)), dtype=np.float32)
    for first in range(0, len(gallery), BLOCK):
        part = gallery[first : first + BLOCK]
        block = memory[: len(query) * len(part)].reshape(len(query), len(part))
        np.matmul(query, part.T, out=block)
        for row in rows[block.max(axis=1) > scores[:, -1]]:
            new = np.flatnonzero(block[row] > scores[row, -1])
            if len(new) > k:
                # The least of the k best; equal ones stay, and the stable sort takes the first.
                least = np.partition(block[row, new], -k)[-k]
                new = new[block[row, new] >= least]
            joined = np.concatenate([scores[row], block[row, new]])
            best = np.argsort(-joined, kind="stable")[:k]
            images[row] = np.concatenate([images[row], first + new])[best]
            scores[row] = joined[best]
    return Hits(images, scores)
