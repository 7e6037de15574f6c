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
from PIL import Image, UnidentifiedImageError
from PIL import __version__ as pillow

from sfsc.data.decoding import JPEG, Pixels, decode_image
from sfsc.data.integrity import check_labels
from sfsc.data.manifest import Manifest, Row, Split, pixel_digest
from sfsc.data.mistakes import name_some, raise_mistakes
from sfsc.data.packed import open_images
from sfsc.data.packing import Packing, open_packing
from sfsc.data.prepared import PreparedSet
from sfsc.errors import DataError
from sfsc.provenance import code_digest

LOGGER = logging.getLogger(__name__)
SUFFIXES = (".jpg", ".jpeg")
BATCH = 256
"""Number of images that are in memory at once."""
SECONDS_BETWEEN_LINES = 15.0


class Decoded(NamedTuple):
    """The result of decoding a file."""

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

    The labels are checked first. Images that an earlier run left in `packed` are kept if file, size
    and code are the same.

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
        DataError: If the labels have mistakes or a file is missing; or if a file cannot be read,
            after all files were tried.
    """
    manifest = Manifest.from_rows(rows)
    check_labels(manifest)
    raise_mistakes(str(raw_dir), find_missing(rows, raw_dir))
    decode = partial(try_decode, height=height, width=width, formats=formats)
    files = [raw_dir / row.path for row in rows]
    code = f"{code_digest('sfsc.data.decoding')} {pillow} {formats} {height} {width}"
    stamps = [_stamp(f"{code} {row.path}", raw_dir / row.path) for row in rows]
    with (
        open_packing(packed, (len(rows), height, width, 3), stamps=stamps) as packing,
        ThreadPoolExecutor(threads) as pool,
    ):
        damages = _pack_missing(packing, pool, decode, files)
    if damages:
        examples = [f"`{rows[number].path}` ({damage})" for number, damage in damages.items()]
        raise DataError(
            f"All images must be readable {' or '.join(formats)} files. Found {len(damages)} of "
            f"{len(rows)} in {raw_dir} that are not: {name_some(examples)}. The log names all. "
            "Replace them and run again; the others stay packed."
        )
    digests = zip(rows, packing.digests, strict=True)
    manifest = Manifest.from_rows(replace(row, digest=digest) for row, digest in digests)
    return PreparedSet(manifest, open_images(packed))


def find_missing(rows: Sequence[Row], raw_dir: Path) -> list[str]:
    """Return the sentence about images that are not files, if any."""
    missing = [f"`{row.path}`" for row in rows if not _is_file(raw_dir / row.path)]
    if not missing:
        return []
    found = f"Found {len(missing)} of {len(rows)} missing: {name_some(missing)}."
    return [f"Every image must be a file in {raw_dir}. {found}"]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _pack_missing(
    packing: Packing, pool: ThreadPoolExecutor, decode: "partial[Decoded]", files: Sequence[Path]
) -> dict[int, str]:
    """Decode and write the images that are not packed yet; return what is wrong with the others.

    Returns:
        The damage of each damaged file, by its number.
    """
    waiting = [number for number, digest in enumerate(packing.digests) if not digest]
    if len(waiting) < len(files):
        LOGGER.info("%d of %d images are packed already.", len(files) - len(waiting), len(files))
    damages: dict[int, str] = {}
    for numbers in _in_batches(waiting):
        batch = pool.map(decode, [files[number] for number in numbers])
        decoded = dict(zip(numbers, batch, strict=True))
        packing.add((n, d.image, d.digest) for n, d in decoded.items() if not d.damage)
        damages |= {number: d.damage for number, d in decoded.items() if d.damage}
    for number, damage in damages.items():
        LOGGER.warning("%s: %s", files[number], damage)
    return damages


def decode_files(
    files: Sequence[Path], *, height: int, width: int, formats: tuple[str, ...], threads: int
) -> Iterator[Decoded]:
    """Yield the result of decoding each file, in their order; log the progress."""
    decode = partial(try_decode, height=height, width=width, formats=formats)
    with ThreadPoolExecutor(threads) as pool:
        for numbers in _in_batches(range(len(files))):
            yield from pool.map(decode, [files[number] for number in numbers])


def try_decode(path: Path, *, height: int, width: int, formats: tuple[str, ...]) -> Decoded:
    """Return the pixels of an image as `decode_image` does, or what is wrong with the file."""
    try:
        image = decode_image(path, height=height, width=width, formats=formats)
    except UnidentifiedImageError:
        return Decoded(np.empty(0, dtype=np.uint8), damage="another format")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return Decoded(np.empty(0, dtype=np.uint8), damage=str(error) or type(error).__name__)
    return Decoded(image, digest=pixel_digest(image))


def _in_batches(waiting: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the numbers of images in batches, and log the progress after each."""
    start = last_line = time.monotonic()
    for first in range(0, len(waiting), BATCH):
        yield waiting[first : first + BATCH]
        end, now = min(first + BATCH, len(waiting)), time.monotonic()
        if now - last_line >= SECONDS_BETWEEN_LINES or end == len(waiting):
            last_line = now
            left = timedelta(seconds=round((now - start) / end * (len(waiting) - end)))
            LOGGER.info("image %d/%d  %s left", end, len(waiting), left)


def _stamp(code: str, path: Path) -> str:
    """Return a digest of what the pixels depend on: the code, and the size and time of the file.

    Args:
        code: Describes how the file is decoded.
        path: The file.
    """
    status = path.stat()
    stamp = f"{code} {status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(stamp.encode()).hexdigest()[:32]
