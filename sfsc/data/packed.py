"""Packed images on disk, which may be more than fits in memory."""

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BATCH = 256
"""Number of images that are read at once when all are read."""


def open_images(path: Path) -> NDArray[np.uint8]:
    """Map the images of a file into memory, whatever their type and shape.

    Args:
        path: A file written by `np.save`.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no such file.
        EOFError: If it is empty.
    """
    images: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return images


def read_images(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return a copy of some images.

    The pages of a mapped file count as memory of the process once they are read, in the end all 12
    GB of a large set. They are released here and stay in the cache of the system only.

    Args:
        images: (N, H, W, C), in memory or mapped by `open_images`.
        rows: Indices of B images.

    Returns:
        Shape (B, H, W, C).
    """
    batch = images[rows]
    if isinstance(images.base, mmap.mmap):
        images.base.madvise(mmap.MADV_DONTNEED)
    return np.asarray(batch)


def iterate_images(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield each image of a set (N, H, W, C) in turn, with a batch in memory."""
    for first in range(0, len(images), BATCH):
        yield from read_images(images, np.arange(first, min(first + BATCH, len(images))))
