"""Image files on the user's disk: found, decoded in parallel, packed one by one (DESIGN.md 4).

What a set's reader lists becomes the packed form without ever lying in memory: MSMT17 at 256 x 128
is 12 GB.
"""

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

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from sfsc.config import ImageFiles
from sfsc.data.manifest import Manifest, Row, Split, pixel_digest
from sfsc.data.packed import open_images
from sfsc.data.prepared import PreparedSet
from sfsc.errors import DataError

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


Decoded = tuple[ImageFile, Pixels | str, str]
"""A file, its pixels or why there are none, and the pixels' digest."""


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
    rows: list[Row] = []
    damaged: list[str] = []
    height, width = settings.image_height, settings.image_width
    decode = partial(_try_decode, raw_dir, height=height, width=width, formats=formats)
    with packed.open("wb") as output, ThreadPoolExecutor(threads) as pool:
        shape = (len(files), height, width, 3)
        np.lib.format.write_array_header_1_0(
            output, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        for file, image, digest in _in_batches(pool, decode, files):
            if isinstance(image, str):
                damaged.append(f"`{file.path}` ({image})")
            else:
                output.write(image.data)
                rows.append(Row(file.path, file.identity, file.camera, file.split, digest))
    if damaged:
        more = f" and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
        raise DataError(
            f"All images must be readable {' or '.join(formats)} files. Found {len(damaged)} of "
            f"{len(files)} in {raw_dir} that are not: {', '.join(damaged[:NAMED])}{more}. "
            "Copy them anew."
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
    path = raw_dir / file.path
    try:
        image = decode_image(path, height=height, width=width, formats=formats)
    except FileNotFoundError:
        return file, "no such file", ""
    except UnidentifiedImageError:
        return file, "a file of another kind", ""
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return file, str(error), ""
    return file, image, pixel_digest(image)


def _in_batches(
    pool: ThreadPoolExecutor, decode: "partial[Decoded]", files: Sequence[ImageFile]
) -> Iterator[Decoded]:
    """Yield the decoded files in order, a batch in memory at a time, and report the progress."""
    start = last_line = time.monotonic()
    for first in range(0, len(files), BATCH):
        yield from list(pool.map(decode, files[first : first + BATCH]))
        done, now = min(first + BATCH, len(files)), time.monotonic()
        if now - last_line >= SECONDS_BETWEEN_LINES or done == len(files):
            last_line = now
            left = timedelta(seconds=round((now - start) / done * (len(files) - done)))
            LOGGER.info("image %d/%d  %s left", done, len(files), left)


def _check_listed_once(files: Sequence[ImageFile]) -> None:
    seen: set[str] = set()
    for file in files:
        if file.path in seen:
            raise DataError(f"Each image must be listed once. Found `{file.path}` twice.")
        seen.add(file.path)
