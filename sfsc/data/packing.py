"""A file of packed images that is written batch by batch and survives a kill.

The journal beside it holds a key, which stands for everything that the images depend on, and then
the digest of each image. The next run keeps the images whose digests still match.
"""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from sfsc.data.manifest import pixel_digest
from sfsc.files import replacing

JOURNAL = "images.journal"
Shape = tuple[int, int, int, int]


class Packing:
    """A packed file and its journal, open at their ends.

    Args:
        images: The packed file.
        journal: Its journal.
        digests: Of the images that are in the file, in order.
    """

    def __init__(self, images: IO[bytes], journal: IO[str], digests: Sequence[str]) -> None:
        self._images, self._journal = images, journal
        self.digests = list(digests)

    def add(self, images: Sequence[NDArray[np.uint8]], digests: Sequence[str]) -> None:
        """Write the next images and then, to the journal, their digests."""
        for image in images:
            self._images.write(image.data)
        self._images.flush()
        self._journal.write("".join(f"{digest}\n" for digest in digests))
        self._journal.flush()
        self.digests += digests


@contextmanager
def open_packing(path: Path, shape: Shape, *, key: str) -> Iterator[Packing]:
    """Open a packed file, new or as a killed run left it.

    Args:
        path: Of the file; the journal is beside it.
        shape: (N, H, W, C) of all images.
        key: Digest of everything that the images depend on. What was packed under another is
            dropped, and so is all from the first image on that is not what the journal says.
    """
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    header, journal = buffer.getvalue(), path.with_name(JOURNAL)
    digests = _read_journal(journal, key)
    digests = digests[: _count_intact(path, digests, header=header, shape=shape)]
    with replacing(journal) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in (key, *digests)), encoding="utf-8")
    size = len(header) + len(digests) * math.prod(shape[1:])
    path.touch()
    with journal.open("a", encoding="utf-8") as lines, path.open("r+b") as images:
        images.write(header)
        images.truncate(size)
        images.seek(size)
        yield Packing(images, lines, digests)


def _read_journal(path: Path, key: str) -> list[str]:
    """Return the digests of a journal, none if it is missing or has another key."""
    try:
        found, *digests, _unfinished = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):  # missing, not text or without a whole line
        return []
    return digests if found == key else []


def _count_intact(path: Path, digests: Sequence[str], *, header: bytes, shape: Shape) -> int:
    """Return how many images at a file's beginning have these digests."""
    if not digests or not path.exists():
        return 0
    with path.open("rb") as images:
        if images.read(len(header)) != header:
            return 0
        for count, digest in enumerate(digests[: shape[0]]):
            image = np.frombuffer(images.read(math.prod(shape[1:])), dtype=np.uint8)
            if pixel_digest(image) != digest:
                return count
    return len(digests[: shape[0]])
