"""Reading a set does not fill the memory with it."""

import resource
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sfsc.data.packed import iterate_images, open_images, read_images

SHAPE = (4000, 64, 64, 3)
SIZE = 4000 * 64 * 64 * 3


@pytest.fixture
def images(tmp_path: Path) -> NDArray[np.uint8]:
    """Return the memory-mapped images of a set of 49 MB, the last of them not black."""
    path = tmp_path / "images.npy"
    written = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=SHAPE)
    written[-1] = 7
    written.flush()
    del written
    return open_images(path)


def _resident() -> int:
    """Return the bytes of memory that the process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_what_is_read_is_let_go(images: NDArray[np.uint8]):
    """All images of a memory-mapped set in random batches; numpy alone would keep them."""
    order = np.random.default_rng(0).permutation(len(images))
    before = _resident()
    for first in range(0, len(order), 64):
        read_images(images, order[first : first + 64])
        assert _resident() - before < SIZE / 10
    for first in range(0, len(order), 64):
        images[order[first : first + 64]]
    assert _resident() - before > SIZE / 2


def test_going_through_a_set_keeps_a_batch(images: NDArray[np.uint8]):
    """As the check of all digests does."""
    before = _resident()
    count, last = 0, None
    for last in iterate_images(images):  # noqa: B007 - the last one is looked at
        count += 1
        assert _resident() - before < SIZE / 5
    assert count == len(images)
    assert last is not None
    assert (last == 7).all()


def test_images_are_those_of_the_rows(images: NDArray[np.uint8]):
    """In their order, as a copy, from a file or from memory."""
    rows = np.array([3999, 5])
    for source in (images, np.array(images[:4000])):
        read = read_images(source, rows)
        assert type(read) is np.ndarray
        assert (read == source[rows]).all()
        read[:] = 1
        assert source[5, 0, 0, 0] == 0


def test_a_set_that_is_replaced_stays_as_it_was_opened(images: NDArray[np.uint8], tmp_path: Path):
    """A training goes on with the images that it began with."""
    other = tmp_path / "other.npy"
    np.save(other, np.full((1, 64, 64, 3), 9, np.uint8))
    other.replace(tmp_path / "images.npy")
    assert (read_images(images, np.array([3999])) == 7).all()
