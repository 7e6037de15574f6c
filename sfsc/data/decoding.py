"""An image file as 8-bit RGB pixels, or the reason why it has none.

Pillow decodes. What it would pass over without a word is an error here: a JPEG file with a hole, a
pixel depth that it would clip, an image that is transparent everywhere.
"""

import io
import re
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

Pixels = NDArray[np.uint8]
JPEG = ("JPEG",)
EIGHT_BIT_MODES = frozenset(("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"))
"""Pillow's modes of at most 8 bits per channel."""
LARGEST_SURPLUS = 16
"""Some encoders leave a few bytes before a marker; a decoder out of step leaves more."""

_DAMAGE = re.compile(r"Premature end|Corrupt JPEG data: (?:(?P<surplus>[0-9]+) extraneous bytes)?")


def decode_image(path: Path, *, height: int, width: int, formats: tuple[str, ...] = JPEG) -> Pixels:
    """Return an image as uint8 RGB (height, width, 3), rotated upright by its EXIF tag.

    Transparent pixels are composited on white. The image is resized bilinearly with antialiasing,
    as is usual in re-identification.

    Args:
        path: The file.
        height: Height of the result.
        width: Width of the result.
        formats: The file formats to accept, by Pillow's names.

    Raises:
        OSError: If the file is not a whole image of one of the formats.
        ValueError: If it has more than 8 bits per channel and no known white, is transparent
            everywhere, or is damaged.
        SyntaxError: If it is damaged; likewise other errors of Pillow.
    """
    upright = open_upright(path.read_bytes(), formats)
    resized = upright.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)


def open_upright(content: bytes, formats: tuple[str, ...] = JPEG) -> Image.Image:
    """Return an image in RGB and its full size, as `decode_image` does before it resizes it.

    Args:
        content: The content of the file.
        formats: The file formats to accept, by Pillow's names.
    """
    with Image.open(io.BytesIO(content), formats=formats) as picture:
        if picture.format in {"JPEG", "MPO"}:
            _check_jpeg(content, picture.mode)
        _check_depth(picture)
        return _to_rgb(ImageOps.exif_transpose(picture))


def _check_jpeg(content: bytes, mode: str) -> None:
    """Check that the data of a JPEG file end where the image does.

    libjpeg fills in what is missing, be it after a hole or before an early end marker, and only
    warns. Pillow ignores the warning; simplejpeg reports it. The scaled-down decoding is fast.

    Raises:
        ValueError: If libjpeg warns of corrupt data.
    """
    colorspace = "CMYK" if mode == "CMYK" else "GRAY"
    try:
        simplejpeg.decode_jpeg(content, colorspace, min_height=1, min_width=1, strict=True)
    except ValueError as error:
        damage = _DAMAGE.match(str(error))  # Pillow judges all else
        if damage and int(damage["surplus"] or LARGEST_SURPLUS) >= LARGEST_SURPLUS:
            raise


def _check_depth(picture: ImageFile.ImageFile) -> None:
    """Check that an image loses no more than Pillow's rounding when it becomes 8-bit RGB.

    Pillow clips 16-bit grey, 32-bit integers and floats at 255. It keeps the high byte of 16-bit
    colour, which leaves nothing of 12-bit data that are not scaled to 16 bits.

    Raises:
        ValueError: If the image has such pixels.
    """
    if picture.mode not in EIGHT_BIT_MODES:
        raise ValueError(
            f"its pixels are of mode {picture.mode}, whose white is unknown; convert it to 8 bits"
        )
    is_deep = any(";16" in str(tile) for tile in picture.tile)  # emptied by `load`
    if is_deep and np.asarray(picture.convert("RGB")).max() < 16:
        raise ValueError("it uses at most 12 of its 16 bits; scale it to 8 bits")


def _to_rgb(picture: Image.Image) -> Image.Image:
    """Return an image as RGB, composited on white if it has transparent pixels.

    Raises:
        ValueError: If it is transparent everywhere.
    """
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    if not np.asarray(layer.getchannel("A")).any():
        raise ValueError("it is transparent everywhere")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")
