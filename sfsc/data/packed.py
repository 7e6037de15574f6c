"""Packed images on disk, which may be more than fits in memory."""

import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH = 256
"""Images that are read at once where all are."""


class MappedImages(np.memmap[Any, np.dtype[np.uint8]]):
    """A memory-mapped array of images with the file behind it, for `read_images`."""

    descriptor: int | None = None
    """Of the open file; an array made from this one has none."""


def open_images(path: Path) -> MappedImages:
    """Map the images of a file, of whatever type and shape they are.

    Args:
        path: As `np.save` writes it.

    Raises:
        OSError: If it cannot be read; ValueError or EOFError if it is no such file.
    """
    images: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    mapped = images.view(MappedImages)
    mapped.descriptor = os.open(path, os.O_RDONLY)
    weakref.finalize(mapped, os.close, mapped.descriptor)
    return mapped


def read_images(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return a copy of some images.

    What is looked at of a mapped array counts as memory of the process until the system needs it
    elsewhere, in the end all of a set of 12 GB. What is read here is in the system's cache only.

    Args:
        images: (N, H, W, C), in memory or mapped.
        rows: Indices of B images, >= 0.

    Returns:
        Shape (B, H, W, C).

    Raises:
        IndexError: If there is no such image.
    """
    if not isinstance(images, MappedImages) or images.descriptor is None:
        return images[rows]
    read = np.empty((len(rows), *images.shape[1:]), dtype=images.dtype)
    for image, row in zip(read, rows.tolist(), strict=True):
        offset = images.offset + row * image.nbytes
        if (
            not 0 <= row < len(images)
            or os.preadv(images.descriptor, [image], offset) < image.nbytes
        ):
            raise IndexError(f"Images 0 to {len(images) - 1} can be read. Found {row}.")
    return read


def iterate_images(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield each image of a set (N, H, W, C) in turn, a batch in memory."""
    for first in range(0, len(images), BATCH):
        yield from read_images(images, np.arange(first, min(first + BATCH, len(images))))
