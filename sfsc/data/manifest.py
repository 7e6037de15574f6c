"""The manifest: the table of all images of a data set, validated on load (DESIGN.md 4)."""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sfsc.errors import DataError

Split = Literal["train", "validation", "query", "gallery"]
SPLITS: tuple[Split, ...] = get_args(Split)
COLUMNS = ("path", "identity", "camera", "split", "digest")
JUNK = -1
"""Identity of an image that the protocol ignores: it is neither a hit nor a miss."""

LARGEST = 2**63 - 1
"""Largest identity and camera: both are stored as int64."""

_INTEGER = re.compile(r"[0-9]{1,40}|-[1-9][0-9]{0,39}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Row:
    """One image of a data set."""

    path: str
    """Path of the image below the raw folder, or another name that tells where it is from."""
    identity: int
    """The person or thing that it shows, >= 0, or `JUNK`."""
    camera: int
    """The camera that took it, >= 0."""
    split: Split
    digest: str = ""
    """SHA-256 of the packed pixels, hexadecimal; empty before the image is packed."""


@dataclass(frozen=True)
class Manifest:
    """The table of a data set: an array of length N per column. Row i describes image i."""

    path: NDArray[np.str_]
    identity: NDArray[np.int64]
    camera: NDArray[np.int64]
    split: NDArray[np.str_]
    digest: NDArray[np.str_]

    def __len__(self) -> int:
        """Return the number of images N."""
        return len(self.path)

    @classmethod
    def from_rows(cls, rows: Iterable[Row]) -> "Manifest":
        """Return the table of some rows, in their order."""
        rows = list(rows)
        return cls(
            path=np.array([row.path for row in rows], dtype=np.str_),
            identity=np.array([row.identity for row in rows], dtype=np.int64),
            camera=np.array([row.camera for row in rows], dtype=np.int64),
            split=np.array([row.split for row in rows], dtype=np.str_),
            digest=np.array([row.digest for row in rows], dtype=np.str_),
        )

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read and validate a manifest.

        Args:
            path: A CSV file with the columns `COLUMNS`, in that order.

        Raises:
            DataError: If the file is missing or empty, is not such a table or names an image
                twice in a split.
        """
        try:
            with path.open(newline="", encoding="utf-8") as file:
                lines = list(csv.reader(file, strict=True))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(
                f"{path} must be a readable CSV file. Found: {error}. Prepare the data set again."
            ) from error
        _check_header(path, lines)
        manifest = cls.from_rows(
            _parse_row(fields, source=f"{path}, line {number}")
            for number, fields in enumerate(lines[1:], start=2)
        )
        _check_paths(path, manifest)
        return manifest

    def save(self, path: Path) -> None:
        """Write the table as CSV with the columns `COLUMNS`."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            columns = (self.path, self.identity, self.camera, self.split, self.digest)
            writer.writerows(zip(*(column.tolist() for column in columns), strict=True))

    def rows(self, split: Split) -> NDArray[np.int64]:
        """Return the indices of the images of a split, ascending."""
        rows: NDArray[np.int64] = np.flatnonzero(self.split == split)
        return rows

    def identities(self, split: Split) -> NDArray[np.int64]:
        """Return the distinct identities of a split, ascending, without junk."""
        present: NDArray[np.int64] = np.unique(self.identity[self.rows(split)])
        return np.delete(present, np.flatnonzero(present == JUNK))


def pixel_digest(image: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of an image's pixels, hexadecimal.

    Args:
        image: (H, W, C) uint8.
    """
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def parse_integer(text: str, *, least: int, largest: int = LARGEST) -> int | None:
    """Return the integer that a field of a table spells, None if it does not spell one in range.

    Only ASCII digits count, after a `-` if the number is negative. `int` would also accept spaces,
    underscores, a `+` and the digits of other scripts, and so merge `1_2` and `12`.

    >>> [parse_integer(text, least=-1) for text in ("007", "-1", "1_2", " 1", "+1", "-2", "\u0661")]
    [7, -1, None, None, None, None, None]
    """
    if not _INTEGER.fullmatch(text):
        return None
    value = int(text)
    return value if least <= value <= largest else None


def describe_integer(source: str, column: str, text: str, *, least: int) -> str:
    """Return the sentence about a field that `parse_integer` refuses."""
    return (
        f"{source}: `{column}` must be an integer from {least} to 2^63 - 1, in the digits 0 to 9. "
        f"Found `{text[:80]}`."
    )


def _check_header(path: Path, lines: list[list[str]]) -> None:
    header = ",".join(lines[0]) if lines else ""
    if header != ",".join(COLUMNS):
        raise DataError(
            f"{path} must begin with the columns {','.join(COLUMNS)}. Found `{header}`."
        )
    if len(lines) == 1:
        raise DataError(
            f"{path} must name at least one image. Found none. Prepare the data set again."
        )


def _parse_row(fields: list[str], *, source: str) -> Row:
    if len(fields) != len(COLUMNS):
        raise DataError(f"{source} must have {len(COLUMNS)} fields. Found {len(fields)}.")
    path, identity, camera, split, digest = fields
    _check_field(source, "path", path, path != "", "not be empty")
    _check_field(
        source, "digest", digest, bool(_DIGEST.fullmatch(digest)), "be 64 hexadecimal digits"
    )
    return Row(
        path=path,
        identity=_read_integer(source, "identity", identity, least=JUNK),
        camera=_read_integer(source, "camera", camera, least=0),
        split=_parse_split(source, split),
        digest=digest,
    )


def _read_integer(source: str, column: str, text: str, *, least: int) -> int:
    value = parse_integer(text, least=least)
    if value is None:
        raise DataError(describe_integer(source, column, text, least=least))
    return value


def _parse_split(source: str, text: str) -> Split:
    for split in SPLITS:
        if text == split:
            return split
    raise DataError(f"{source}: `split` must be one of {', '.join(SPLITS)}. Found `{text}`.")


def _check_field(source: str, column: str, text: str, is_valid: bool, rule: str) -> None:
    if not is_valid:
        raise DataError(f"{source}: `{column}` must {rule}. Found `{text}`.")


def _check_paths(path: Path, manifest: Manifest) -> None:
    counts = Counter(zip(manifest.path.tolist(), manifest.split.tolist(), strict=True))
    (name, split), count = counts.most_common(1)[0]
    if count > 1:
        raise DataError(
            f"{path} must name each image once in a split. Found `{name}` {count} times in {split}."
        )
