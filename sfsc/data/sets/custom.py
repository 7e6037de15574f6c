"""The user's own set: the table `data/raw/custom/images.csv` labels the images.

Its columns, in any order and among others:

* `path`: the image file, relative to `data/raw/custom/` or absolute;
* `identity`: a number >= 0, or -1 for junk, which only the gallery may have;
* `camera`: a number >= 0;
* `split`: `train`, `query`, `gallery` or `validation`.

If no row has the split `validation`, a share of the training identities is held out. The workflow
watches the table only: touch it after you replace an image.
"""

import csv
from pathlib import Path

from sfsc.config import ImageFiles
from sfsc.data.image_files import pack_images
from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import JUNK, SPLITS, Row, Split
from sfsc.data.official import hold_out_validation
from sfsc.data.prepared import PreparedSet
from sfsc.errors import DataError

RAW = ("images.csv",)
COLUMNS = ("path", "identity", "camera", "split")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")


class Settings(ImageFiles):
    """The user's own set, in `data/raw/custom/`."""


def build(
    settings: Settings, raw_dir: Path, *, validation_fraction: float, packed: Path, threads: int = 1
) -> PreparedSet:
    """Pack the images of the table, in its order.

    Args:
        settings: The image size.
        raw_dir: Folder with the table.
        validation_fraction: Share of the training identities held out for validation if the table
            has no row of that split.
        packed: File of the packed images, written here.
        threads: Number of threads that decode.

    Raises:
        DataError: If the table or an image cannot be read.
    """
    files = _read_table(raw_dir / RAW[0])
    if all(file.split != "validation" for file in files):
        files = hold_out_validation(files, validation_fraction)
    return pack_images(
        files,
        raw_dir,
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


def _read_table(path: Path) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Excel writes a byte order mark
            table = csv.DictReader(file, strict=True)
            _check_header(path, list(table.fieldnames or []))
            return [_read_row(f"{path}, line {table.line_num}", row) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} must be a readable CSV file in UTF-8. Found: {error}.") from error


def _check_header(path: Path, header: list[str]) -> None:
    if not set(COLUMNS) <= set(header):
        raise DataError(
            f"{path} must have the columns {', '.join(COLUMNS)} in its first line. "
            f"Found {', '.join(header) or 'nothing'}."
        )


def _read_row(source: str, row: dict[str, str | None]) -> Row:
    path, identity, camera, split = ((row[column] or "").strip() for column in COLUMNS)
    if not path:
        raise DataError(f"{source}: `path` must name an image file. Found nothing.")
    return Row(
        path,
        _read_integer(source, "identity", identity, least=JUNK),
        _read_integer(source, "camera", camera, least=0),
        _read_split(source, split),
    )


def _read_integer(source: str, column: str, text: str, *, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise DataError(f"{source}: `{column}` must be an integer >= {least}. Found `{text}`.")
    return value


def _read_split(source: str, text: str) -> Split:
    for split in SPLITS:
        if text == split:
            return split
    raise DataError(f"{source}: `split` must be one of {', '.join(SPLITS)}. Found `{text}`.")
