"""A file of packed images that is written batch by batch and survives kills and mistakes.

The journal beside it has a line per image: its number, a stamp of everything that its pixels depend
on, and their digest. The next run keeps each image whose stamp and digest still match.
"""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from sfsc.data.manifest import pixel_digest
from sfsc.data.prepared import JOURNAL
from sfsc.files import replacing

Shape = tuple[int, int, int, int]


class Packing:
    """A packed file and its journal, open for writing.

    Args:
        images: The packed file.
        journal: Its journal.
        start: Position of the first image in the file.
        stamps: The stamp of each image.
        digests: The digest of each image; empty for one that is not packed yet.
    """

    def __init__(
        self,
        images: IO[bytes],
        journal: IO[str],
        *,
        start: int,
        stamps: Sequence[str],
        digests: Sequence[str],
    ) -> None:
        self._images, self._journal, self._start = images, journal, start
        self._stamps = stamps
        self.digests = list(digests)

    def add(self, packed: Iterable[tuple[int, NDArray[np.uint8], str]]) -> None:
        """Write images and then, to the journal, their digests.

        Args:
            packed: The number, the pixels and the digest of each image.
        """
        lines = []
        for number, image, digest in packed:
            self._images.seek(self._start + number * image.nbytes)
            self._images.write(image.data)
            self.digests[number] = digest
            lines.append(f"{number} {self._stamps[number]} {digest}\n")
        self._images.flush()
        self._journal.write("".join(lines))
        self._journal.flush()


@contextmanager
def open_packing(path: Path, shape: Shape, *, stamps: Sequence[str]) -> Iterator[Packing]:
    """Open a packed file, a new one or that of an earlier run.

    Args:
        path: The file; the journal is beside it.
        shape: (N, H, W, C) of all images.
        stamps: For each image, a digest of everything that its pixels depend on. An image that was
            packed under another stamp is dropped.
    """
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    header, journal = buffer.getvalue(), path.with_name(JOURNAL)
    digests = [""] * len(stamps)
    for number, (stamp, digest) in _read_journal(journal).items():
        if number < len(stamps) and stamps[number] == stamp:
            digests[number] = digest
    _drop_altered(path, digests, start=len(header), size=math.prod(shape[1:]))
    with replacing(journal) as temporary:
        lines = zip(range(len(stamps)), stamps, digests, strict=True)
        kept = (f"{number} {stamp} {digest}\n" for number, stamp, digest in lines if digest)
        temporary.write_text("".join(kept), encoding="utf-8")
    with journal.open("a", encoding="utf-8") as appended, path.open("r+b") as images:
        images.write(header)
        images.truncate(len(header) + math.prod(shape))
        yield Packing(images, appended, start=len(header), stamps=stamps, digests=digests)


def _drop_altered(path: Path, digests: list[str], *, start: int, size: int) -> None:
    """Remove the digests that are not those of the images in a file."""
    path.touch()
    with path.open("rb") as images:
        for number, digest in enumerate(digests):
            if digest:
                images.seek(start + number * size)
                found = pixel_digest(np.frombuffer(images.read(size), dtype=np.uint8))
                digests[number] = digest if found == digest else ""


def _read_journal(path: Path) -> dict[int, tuple[str, str]]:
    """Return stamp and digest of each image in a journal; nothing if there is no journal."""
    try:
        *lines, _unfinished = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return {}
    fields = [line.split(" ") for line in lines]
    return {int(f[0]): (f[1], f[2]) for f in fields if len(f) == 3 and f[0].isdecimal()}
