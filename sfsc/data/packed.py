"""Reading of packed images that may be more than fits in memory."""

from collections.abc import Iterator
from mmap import MADV_DONTNEED, mmap

import numpy as np
from numpy.typing import NDArray

BATCH = 256
"""Images that are read at once where all are."""


def read_images(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return a copy of some images.

    What was read of a memory-mapped array counts as memory of the process until the system needs
    it elsewhere: in the end, for a large set, 12 GB. Here it is let go at once; it stays in the
    system's cache of files.

    Args:
        images: (N, H, W, C), in memory or as `np.load` maps them.
        rows: Indices of the B images.

    Returns:
        Shape (B, H, W, C).
    """
    read = images[rows]
    if isinstance(images.base, mmap):
        images.base.madvise(MADV_DONTNEED)
    return read


def iterate_images(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield each image of a set (N, H, W, C) in turn, a batch in memory."""
    for first in range(0, len(images), BATCH):
        yield from read_images(images, np.arange(first, min(first + BATCH, len(images))))
