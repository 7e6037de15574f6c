"""Image files on the user's disk: found, decoded in parallel, packed one by one (DESIGN.md 4).

What a set's reader lists becomes the packed form without ever lying in memory: MSMT17 at 256 x 128
is 12 GB.
"""

import hashlib
import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL import __version__ as pillow

from sfsc.data.file_settings import ImageFiles
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
"""Images that are decoded before they are written: what is in memory at once."""
NAMED = 5
"""Damaged files that a message names."""
SECONDS_BETWEEN_LINES = 15.0


Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ImageFile:
    """An image that is not read yet."""

    path: str
    """Below the set's raw folder."""
    identity: int
    camera: int
    split: Split


class Decoded(NamedTuple):
    """What came of a file."""

    file: ImageFile
    image: Pixels
    """Empty if the file is damaged."""
    digest: str = ""
    """Of the pixels."""
    damage: str = ""
    """What is wrong with the file."""


def find_images(
    raw_dir: Path, folder: str, split: Split, *, pattern: re.Pattern[str], example: str
) -> list[ImageFile]:
    """List the images of a folder whose names say what they show, in the order of the names.

    Files of other kinds (`Thumbs.db`) and hidden ones, which unpacking on a Mac leaves, are
    skipped; an image with another kind of name is a mistake.

    Args:
        raw_dir: The set's raw folder.
        folder: Below `raw_dir`.
        split: Of all images of the folder.
        pattern: Of the names, with groups `identity` and `camera`.
        example: A name as it must be.

    Raises:
        DataError: If the name of an image does not say what it shows.
    """
    names = sorted(os.listdir(raw_dir / folder))
    images = [name for name in names if name.lower().endswith(SUFFIXES) and name[0] != "."]
    if len(images) < len(names):
        other = next(name for name in names if name not in set(images))
        LOGGER.info(
            "%s: %d files are no images and skipped, `%s` the first",
            folder, len(names) - len(images), other,
        )  # fmt: skip
    files = []
    for name in images:
        match = pattern.fullmatch(name)
        if match is None:
            raise DataError(
                f"Images of {raw_dir / folder} must be named like `{example}`. Found `{name}`. "
                "Take out what is not of the set."
            )
        files.append(
            ImageFile(f"{folder}/{name}", int(match["identity"]), int(match["camera"]), split)
        )
    return files


def pack_images(
    files: Sequence[ImageFile],
    raw_dir: Path,
    packed: Path,
    *,
    settings: ImageFiles,
    formats: tuple[str, ...] = JPEG,
    threads: int = 1,
) -> PreparedSet:
    """Decode and resize images and write each as soon as it is there.

    Goes on where a killed run left `packed`, if files, settings and code are the same.

    Args:
        files: In the order of the set.
        raw_dir: What their paths are below.
        packed: The array's file.
        settings: With height and width of the packed images.
        formats: Pillow's names of the formats that a file may have.
        threads: That decode; Pillow lets them run side by side.

    Returns:
        The set, its images memory-mapped.

    Raises:
        DataError: If a file is listed twice, or some cannot be read; all are tried before.
    """
    _check_listed_once(files)
    damaged: list[str] = []
    height, width = settings.image_height, settings.image_width
    decode = partial(_try_decode, raw_dir, height=height, width=width, formats=formats)
    key, shape = _key(files, raw_dir, formats), (len(files), height, width, 3)
    with (
        open_packing(packed, shape, key=key) as packing,
        ThreadPoolExecutor(threads) as pool,
    ):
        done = len(packing.digests)
        if done:
            LOGGER.info("Resuming behind image %d of %d.", done, len(files))
        for batch in _in_batches(pool, decode, files, done=done):
            damaged += [f"`{d.file.path}` ({d.damage})" for d in batch if d.damage]
            if not damaged:
                packing.add([d.image for d in batch], [d.digest for d in batch])
    if damaged:
        more = f" and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
        raise DataError(
            f"All images must be readable {' or '.join(formats)} files. Found {len(damaged)} of "
            f"{len(files)} in {raw_dir} that are not: {', '.join(damaged[:NAMED])}{more}. "
            "Copy them anew."
        )
    rows = (
        Row(file.path, file.identity, file.camera, file.split, digest)
        for file, digest in zip(files, packing.digests, strict=True)
    )
    return PreparedSet(Manifest.from_rows(rows), open_images(packed))


def decode_image(
    path: Path, *, height: int, width: int, formats: tuple[str, ...] = JPEG
) -> Pixels:
    """Return an image as (height, width, 3), uint8 RGB, upright.

    Bilinear, over the whole area that falls on a pixel, as re-identification code of the field
    resizes. A truncated file is an error, not an image with a grey end.

    Raises:
        OSError: If the file is no whole image of one of the formats; ValueError, SyntaxError or
            DecompressionBombError for some damages.
    """
    with Image.open(path, formats=formats) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    resized = upright.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)


def _try_decode(
    raw_dir: Path, file: ImageFile, *, height: int, width: int, formats: tuple[str, ...]
) -> Decoded:
    path, nothing = raw_dir / file.path, np.empty(0, dtype=np.uint8)
    try:
        image = decode_image(path, height=height, width=width, formats=formats)
    except FileNotFoundError:
        return Decoded(file, nothing, damage="no such file")
    except UnidentifiedImageError:
        return Decoded(file, nothing, damage="a file of another kind")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return Decoded(file, nothing, damage=str(error) or type(error).__name__)
    return Decoded(file, image, digest=pixel_digest(image))


def _in_batches(
    pool: ThreadPoolExecutor,
    decode: "partial[Decoded]",
    files: Sequence[ImageFile],
    *,
    done: int = 0,
) -> Iterator[list[Decoded]]:
    """Yield the decoded files behind the first `done` in batches, and report the progress."""
    start = last_line = time.monotonic()
    for first in range(done, len(files), BATCH):
        yield list(pool.map(decode, files[first : first + BATCH]))
        end, now = min(first + BATCH, len(files)), time.monotonic()
        if now - last_line >= SECONDS_BETWEEN_LINES or end == len(files):
            last_line = now
            left = timedelta(seconds=round((now - start) / (end - done) * (len(files) - end)))
            LOGGER.info("image %d/%d  %s left", end, len(files), left)


def _key(files: Sequence[ImageFile], raw_dir: Path, formats: tuple[str, ...]) -> str:
    """Return the digest of what the packed images depend on, but for their size."""
    digest = hashlib.sha256(f"{code_digest(__name__)} {pillow} {formats}".encode())
    for file in files:
        digest.update(f"\n{file.path} {_stamp(raw_dir / file.path)}".encode())
    return digest.hexdigest()


def _stamp(path: Path) -> str:
    """Return what changes with a file's content: its size and its time."""
    try:
        status = path.stat()
    except OSError:
        return "none"
    return f"{status.st_size} {status.st_mtime_ns}"


def _check_listed_once(files: Sequence[ImageFile]) -> None:
    seen: set[str] = set()
    for file in files:
        if file.path in seen:
            raise DataError(f"Each image must be listed once. Found `{file.path}` twice.")
        seen.add(file.path)
