"""Image files on the user's disk: listed, decoded in parallel and packed batch by batch.

A set never lies in memory as a whole: MSMT17 at 256 x 128 pixels is 12 GB.
"""

import hashlib
import logging
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL import __version__ as pillow

from sfsc.data.manifest import Manifest, Row, Split, pixel_digest
from sfsc.data.packed import open_images
from sfsc.data.packing import open_packing
from sfsc.data.prepared import PreparedSet
from sfsc.errors import DataError
from sfsc.provenance import code_digest

LOGGER = logging.getLogger(__name__)
JPEG = ("JPEG",)
SUFFIXES = (".jpg", ".jpeg")
BATCH = 256
"""Number of images that are in memory at once."""
NAMED = 5
"""Number of damaged files that a message names."""
SECONDS_BETWEEN_LINES = 15.0


Pixels = NDArray[np.uint8]


class Decoded(NamedTuple):
    """The result of decoding a file."""

    row: Row
    image: Pixels
    """Empty if the file is damaged."""
    digest: str = ""
    """SHA-256 of the pixels."""
    damage: str = ""
    """What is wrong with the file; empty if nothing is."""


def find_images(
    raw_dir: Path, folder: str, split: Split, *, pattern: re.Pattern[str], example: str
) -> list[Row]:
    """List the images of a folder, whose names tell identity and camera, sorted by name.

    Other files (`Thumbs.db`) and hidden ones, which unpacking on a Mac leaves, are skipped.

    Args:
        raw_dir: The set's raw folder.
        folder: The folder of images, relative to `raw_dir`.
        split: The split of all images of the folder.
        pattern: Pattern of the names, with groups `identity` and `camera`.
        example: A valid name.

    Raises:
        DataError: If the name of an image does not match the pattern.
    """
    names = sorted(path.name for path in (raw_dir / folder).iterdir())
    images = [name for name in names if name.lower().endswith(SUFFIXES) and name[0] != "."]
    if len(images) < len(names):
        other = next(name for name in names if name not in set(images))
        LOGGER.info(
            "%s: skipped %d files that are not images, such as `%s`",
            folder, len(names) - len(images), other,
        )  # fmt: skip
    rows = []
    for name in images:
        match = pattern.fullmatch(name)
        if match is None:
            raise DataError(
                f"Images of {raw_dir / folder} must be named like `{example}`. Found `{name}`. "
                "Move files of other sets away."
            )
        rows.append(Row(f"{folder}/{name}", int(match["identity"]), int(match["camera"]), split))
    return rows


def pack_images(
    rows: Sequence[Row],
    raw_dir: Path,
    packed: Path,
    *,
    height: int,
    width: int,
    formats: tuple[str, ...] = JPEG,
    threads: int = 1,
) -> PreparedSet:
    """Decode and resize images, and write them to a file.

    Resumes what a killed run left in `packed`, if files, size and code are the same.

    Args:
        rows: The images, in the order of the set.
        raw_dir: Folder of their paths.
        packed: The file of the packed images, written here.
        height: Height of the packed images.
        width: Width of the packed images.
        formats: The file formats to accept, by Pillow's names.
        threads: Number of threads that decode.

    Returns:
        The set, with its images memory-mapped.

    Raises:
        DataError: If a file is listed twice or cannot be read. All files are tried first.
    """
    _check_listed_once(rows)
    damaged: list[str] = []
    decode = partial(_try_decode, raw_dir, height=height, width=width, formats=formats)
    key, shape = _key(rows, raw_dir, formats), (len(rows), height, width, 3)
    with (
        open_packing(packed, shape, key=key) as packing,
        ThreadPoolExecutor(threads) as pool,
    ):
        done = len(packing.digests)
        if done:
            LOGGER.info("Resuming after image %d of %d.", done, len(rows))
        for batch in _in_batches(pool, decode, rows, done=done):
            damaged += [f"`{d.row.path}` ({d.damage})" for d in batch if d.damage]
            if not damaged:
                packing.add([d.image for d in batch], [d.digest for d in batch])
    if damaged:
        more = f" and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
        raise DataError(
            f"All images must be readable {' or '.join(formats)} files. Found {len(damaged)} of "
            f"{len(rows)} in {raw_dir} that are not: {', '.join(damaged[:NAMED])}{more}. "
            "Copy them again."
        )
    digests = zip(rows, packing.digests, strict=True)
    manifest = Manifest.from_rows(replace(row, digest=digest) for row, digest in digests)
    return PreparedSet(manifest, open_images(packed))


def decode_image(path: Path, *, height: int, width: int, formats: tuple[str, ...] = JPEG) -> Pixels:
    """Return an image as uint8 RGB (height, width, 3), rotated upright by its EXIF tag.

    It is resized bilinearly with antialiasing, as is usual in re-identification. A truncated file
    is an error, not an image with a grey end.

    Raises:
        OSError: If the file is not a whole image of one of the formats.
        ValueError: If it is damaged; likewise SyntaxError and DecompressionBombError.
    """
    with Image.open(path, formats=formats) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    resized = upright.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)


def _try_decode(
    raw_dir: Path, row: Row, *, height: int, width: int, formats: tuple[str, ...]
) -> Decoded:
    path, nothing = raw_dir / row.path, np.empty(0, dtype=np.uint8)
    try:
        image = decode_image(path, height=height, width=width, formats=formats)
    except FileNotFoundError:
        return Decoded(row, nothing, damage="no such file")
    except UnidentifiedImageError:
        return Decoded(row, nothing, damage="not such a file")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return Decoded(row, nothing, damage=str(error) or type(error).__name__)
    return Decoded(row, image, digest=pixel_digest(image))


def _in_batches(
    pool: ThreadPoolExecutor,
    decode: "partial[Decoded]",
    rows: Sequence[Row],
    *,
    done: int = 0,
) -> Iterator[list[Decoded]]:
    """Yield the decoded files after the first `done`, in batches, and log the progress."""
    start = last_line = time.monotonic()
    for first in range(done, len(rows), BATCH):
        yield list(pool.map(decode, rows[first : first + BATCH]))
        end, now = min(first + BATCH, len(rows)), time.monotonic()
        if now - last_line >= SECONDS_BETWEEN_LINES or end == len(rows):
            last_line = now
            left = timedelta(seconds=round((now - start) / (end - done) * (len(rows) - end)))
            LOGGER.info("image %d/%d  %s left", end, len(rows), left)


def _key(rows: Sequence[Row], raw_dir: Path, formats: tuple[str, ...]) -> str:
    """Return the digest of everything that the packed pixels depend on, except their size."""
    digest = hashlib.sha256(f"{code_digest(__name__)} {pillow} {formats}".encode())
    for row in rows:
        digest.update(f"\n{row.path} {_stamp(raw_dir / row.path)}".encode())
    return digest.hexdigest()


def _stamp(path: Path) -> str:
    """Return the size and time of a file, which change with its content."""
    try:
        status = path.stat()
    except OSError:
        return "none"
    return f"{status.st_size} {status.st_mtime_ns}"


def _check_listed_once(rows: Sequence[Row]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row.path in seen:
            raise DataError(f"Each image must be listed once. Found `{row.path}` twice.")
        seen.add(row.path)
