"""A photograph as a network takes it: decoded safely, upright, resized by the training's rule.

A photograph may come from anybody. Only the formats of `FORMATS` are decoded, by Pillow's own
decoders, after the size that the header states has been checked.
"""

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from sfsc.data.decoding import open_upright
from sfsc.errors import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
"""Formats to accept, by Pillow's names; SVG and HTML are none of them."""
SUFFIXES = frozenset((".jpg", ".jpeg", ".mpo", ".png", ".webp", ".bmp"))
"""Names of files that a folder is searched for."""
MOST_BYTES = 64_000_000
"""A larger file is not read."""
MOST_PIXELS = 64_000_000
"""A larger image is not decoded: it would take more than a gigabyte of memory."""

# Pillow only warns of an image up to twice as large as its own limit.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

Pixels = NDArray[np.uint8]
Size = tuple[int, int]
"""(H, W), pixels."""


def open_photograph(
    source: Path | bytes,
    image_size: Size,
    *,
    resize: str = "stretch",
    channels: int = 3,
    name: str = "The photograph",
) -> Pixels:
    """Return a photograph as uint8 (H, W, C), upright by its EXIF tag.

    Args:
        source: A file or its content.
        image_size: (H, W) of the result.
        resize: The rule of the training, a key of `RULES`.
        channels: 3 for RGB, 1 for grey.
        name: What to call the content in an error; a file is called by its path.

    Raises:
        DataError: If it is no whole image of one of the formats, or is too large.
    """
    name = str(source) if isinstance(source, Path) else name
    upright = _open(source, name)
    pixels = np.asarray(RULES[resize](upright, image_size), dtype=np.uint8)
    if channels == 3:
        return pixels
    return np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.uint8)[:, :, None]


def make_thumbnail(source: Path | bytes, side: int = 160) -> bytes:
    """Return a photograph as a JPEG file of at most `side` x `side` pixels, for a page.

    Raises:
        DataError: As `open_photograph`.
    """
    image = _open(source, str(source) if isinstance(source, Path) else "The photograph")
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()


def _open(source: Path | bytes, name: str) -> Image.Image:
    try:
        content = _read(source)
        _check_size(content)
        return open_upright(content, FORMATS)
    except UnidentifiedImageError:
        found = "another format"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        found = f"more than {MOST_PIXELS:,} pixels"
    except OSError as error:
        found = error.strerror or str(error)
    except (SyntaxError, ValueError) as error:
        found = str(error)
    raise DataError(
        f"{name} must be a whole JPEG, PNG, WebP or BMP image of at most "
        f"{MOST_PIXELS / 1e6:.0f} megapixels. Found: {found.rstrip('.')}."
    )


def _read(source: Path | bytes) -> bytes:
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    if size > MOST_BYTES:
        raise ValueError(f"a file of {size:,} bytes, more than {MOST_BYTES:,}")
    return source.read_bytes() if isinstance(source, Path) else source


def _check_size(content: bytes) -> None:
    """Check the size that the header states, before anything is decoded."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        pixels = picture.width * picture.height
    if pixels > MOST_PIXELS:
        raise ValueError(f"{pixels:,} pixels")


def stretch(image: Image.Image, size: Size) -> Image.Image:
    """Resize to the whole of `size`, whatever the aspect ratio: usual in re-identification."""
    height, width = size
    return image.resize((width, height), Image.Resampling.BILINEAR)


def crop(image: Image.Image, size: Size) -> Image.Image:
    """Resize to cover `size` and keep the centre: the aspect ratio stays."""
    height, width = size
    return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)


def ink(image: Image.Image, size: Size) -> Image.Image:
    """Turn dark strokes on paper into bright ones on black; a pixel is the mean of its area."""
    height, width = size
    return ImageOps.invert(image).resize((width, height), Image.Resampling.BOX)


RULES: dict[str, Callable[[Image.Image, Size], Image.Image]] = {
    "stretch": stretch,
    "crop": crop,
    "ink": ink,
}
"""Resizing rules by the name that `space.json` and every exported model carry."""
