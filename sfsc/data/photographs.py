"""Photographs in memory, cropped to squares and packed."""

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from sfsc.data.manifest import Manifest, Row, pixel_digest
from sfsc.data.packed import open_images
from sfsc.data.prepared import PreparedSet


def crop_to_square(picture: Image.Image, side: int) -> Image.Image:
    """Return the centre of a picture as a square, its aspect kept.

    The short side is resized to `side`, bilinearly with antialiasing; what the long side has more
    is cut off, half of it at each end.

    Args:
        picture: Any picture, upright.
        side: Side of the square, pixels.

    >>> crop_to_square(Image.new("RGB", (348, 464)), 96).size
    (96, 96)
    """
    return ImageOps.fit(picture, (side, side), method=Image.Resampling.BILINEAR)


def pack_photographs(
    rows: Sequence[Row], files: Mapping[str, bytes], packed: Path, *, side: int, threads: int
) -> PreparedSet:
    """Decode JPEG files, crop them to squares and write them to a file.

    Args:
        rows: The images, in the order of the set.
        files: The content of each path, known to be undamaged.
        packed: The file of the packed images, written here.
        side: Side of the packed images, pixels.
        threads: Number of threads that decode.

    Returns:
        The set, with its images memory-mapped.
    """
    images = np.lib.format.open_memmap(
        packed, mode="w+", dtype=np.uint8, shape=(len(rows), side, side, 3)
    )

    def pack(number: int) -> str:
        with Image.open(io.BytesIO(files[rows[number].path]), formats=["JPEG"]) as picture:
            square = crop_to_square(picture.convert("RGB"), side)
        images[number] = np.asarray(square)
        return pixel_digest(images[number])

    with ThreadPoolExecutor(threads) as pool:
        digests = zip(rows, pool.map(pack, range(len(rows))), strict=True)
        manifest = Manifest.from_rows(replace(row, digest=digest) for row, digest in digests)
    images.flush()
    return PreparedSet(manifest, open_images(packed))
