"""The user's own set: the table `data/raw/custom/images.csv`, or another, labels the images.

Its columns, in any order and among others:

* `path`: the image file, relative to the table's folder or absolute;
* `identity`: a number >= 0, or -1 for junk, which only the gallery may have;
* `camera`: a number >= 0; not needed with `camera: none`;
* `split`: `train`, `query`, `gallery` or `validation`.

If no row has the split `validation`, a share of the training identities is held out. An image may
be listed as a query and in the gallery, with the same identity and camera: it is then left out of
its own ranking.

JPEG, PNG, WebP and BMP files are read. Transparent pixels become white. Damaged images are refused,
and images of more than 8 bits per channel whose white is unknown, such as 16-bit grey. The workflow
watches the table only: touch it after you replace an image.
"""

import csv
import os
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from pydantic import Field

from sfsc.data.file_settings import ImageFiles
from sfsc.data.image_files import find_missing, pack_images
from sfsc.data.integrity import SplitCount, find_clashes, find_gaps
from sfsc.data.manifest import JUNK, SPLITS, Manifest, Row, Split, describe_integer, parse_integer
from sfsc.data.mistakes import raise_mistakes
from sfsc.data.official import hold_out_validation
from sfsc.data.prepared import PreparedSet
from sfsc.errors import DataError

RAW = ("{table}",)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
ADVICE = " If the set has no cameras, set `data.custom.camera: none`."


class Settings(ImageFiles):
    """The user's own set, in `data/raw/custom/`."""

    table: str = Field(default="images.csv", pattern=r"\.csv$")
    """The table of the images, a file in `data/raw/custom/`. Each study may have one of its own."""
    camera: Literal["column", "none"] = "column"
    """`column` reads the cameras from the table. `none` is for a set without cameras: each image
    has a camera of its own, so a ranking leaves out the query itself and nothing else."""


def build(
    settings: Settings, raw_dir: Path, *, validation_fraction: float, packed: Path, threads: int = 1
) -> PreparedSet:
    """Pack the images of the table, in its order.

    Args:
        settings: The image size, and where the cameras are from.
        raw_dir: The folder `data/raw/custom`.
        validation_fraction: Share of the training identities held out for validation if the table
            has no row of that split.
        packed: File of the packed images, written here.
        threads: Number of threads that decode.

    Raises:
        DataError: If the table has mistakes, all of which are listed, or an image cannot be read.
    """
    table = Table(raw_dir / settings.table, has_cameras=settings.camera == "column")
    table.read()
    rows = table.rows
    if all(row.split != "validation" for row in rows):
        rows = hold_out_validation(rows, validation_fraction)
    _check(table, rows)
    return pack_images(
        rows,
        table.path.parent,
        packed,
        height=settings.image_height,
        width=settings.image_width,
        formats=FORMATS,
        threads=threads,
    )


def expected_counts(
    settings: Settings,  # noqa: ARG001 - the signature is the same for all sets
    *,
    validation_fraction: float,  # noqa: ARG001
) -> dict[Split, SplitCount]:
    """Return nothing: no size is known."""
    return {}


class Table:
    """The rows of a table, and the mistakes in it.

    Args:
        path: The table.
        has_cameras: Whether the cameras are in the table.
    """

    def __init__(self, path: Path, *, has_cameras: bool) -> None:
        self.path, self.has_cameras = path, has_cameras
        self.rows: list[Row] = []
        self.files: list[str] = []
        """The file of each row, with links resolved."""
        self.mistakes: list[str] = []
        self._columns = ("path", "identity", *(["camera"] * has_cameras), "split")
        self._spellings: dict[tuple[str, int], str] = {}
        self._numbers: dict[str, int] = {}
        """Numbers the files, as cameras of a set without cameras."""

    def read(self) -> None:
        """Read all rows.

        Raises:
            DataError: If the file is not such a table.
        """
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:  # Excel writes a mark
                lines = csv.reader(file, strict=True)
                header = next(lines, [])
                self._check_header(header)
                for fields in filter(None, lines):
                    self._read_row(f"{self.path}, line {lines.line_num}", header, fields)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(
                f"{self.path} must be a readable CSV file in UTF-8. Found: {error}."
            ) from error
        if not self.rows and not self.mistakes:
            raise DataError(f"{self.path} must list images. Found none.")

    def _check_header(self, header: list[str]) -> None:
        if any(header.count(column) != 1 for column in self._columns):
            raise DataError(
                f"{self.path} must have the columns {', '.join(self._columns)} in its first line, "
                f"each once. Found {', '.join(header) or 'nothing'}."
            )

    def _read_row(self, source: str, header: list[str], fields: list[str]) -> None:
        """Add a row, or its mistakes."""
        if len(fields) > len(header):
            self.mistakes.append(
                f"{source} must have {len(header)} fields. Found {len(fields)}; put a path with a "
                "comma in quotes."
            )
            return
        known, row = len(self.mistakes), dict(zip_longest(header, fields, fillvalue=""))
        identity = self._read_number(source, "identity", row, least=JUNK)
        file = self._read_path(source, row["path"])
        camera = self._numbers.setdefault(file, len(self._numbers))
        if self.has_cameras:
            camera = self._read_number(source, "camera", row, least=0)
        split: Split = next((split for split in SPLITS if split == row["split"]), "train")
        if split != row["split"]:
            rule = f"`split` must be one of {', '.join(SPLITS)}"
            self.mistakes.append(f"{source}: {rule}. Found `{row['split']}`.")
        if len(self.mistakes) == known:
            self.rows.append(Row(row["path"], identity, camera, split))
            self.files.append(file)

    def _read_path(self, source: str, path: str) -> str:
        """Return the file of a path, with links resolved."""
        if not path or "\0" in path:
            found = "a NUL character" if path else "nothing"
            self.mistakes.append(f"{source}: `path` must name an image file. Found {found}.")
            return ""
        return os.path.realpath(self.path.parent / path)

    def _read_number(self, source: str, column: str, row: dict[str, str], *, least: int) -> int:
        """Return the number in a column, which the whole table must spell in one way."""
        text = row[column]
        number = parse_integer(text, least=least)
        if number is None:
            self.mistakes.append(describe_integer(source, column, text, least=least))
            return least
        spelling = self._spellings.setdefault((column, number), text)
        if spelling != text:
            rule = f"`{column}` must spell a number in one way"
            self.mistakes.append(f"{source}: {rule}. Found `{text}` after `{spelling}`.")
        return number


def _check(table: Table, rows: list[Row]) -> None:
    """Check everything about a table that does not need the pixels.

    Args:
        table: The table.
        rows: Its rows, some of them held out for validation.

    Raises:
        DataError: If there are mistakes; it lists all of them.
    """
    clashes = find_clashes(Manifest.from_rows(table.rows), table.files)
    # A row with a mistake may be the one that is missing.
    advice = ADVICE if table.has_cameras else ""
    gaps = [] if table.mistakes else find_gaps(Manifest.from_rows(rows), advice=advice)
    missing = find_missing(rows, table.path.parent)
    raise_mistakes(str(table.path), [*gaps, *clashes, *missing, *table.mistakes])
