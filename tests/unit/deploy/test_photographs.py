"""Photographs become what the training's images are, and nothing else is decoded."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfsc.data.decoding import decode_image
from sfsc.data.sets import omniglot
from sfsc.deploy.photographs import RULES, make_thumbnail, open_photograph
from sfsc.errors import DataError

RAMP = np.tile(np.linspace(0, 255, 60, dtype=np.uint8), (40, 1))
COLOURS = np.stack([RAMP, RAMP[:, ::-1], np.full_like(RAMP, 90)], axis=-1)
LEFT_IS_UP = 6
"""EXIF orientation: turn by 90 degrees."""
SENTENCE = "The photograph must be a whole JPEG, PNG, WebP or BMP image of at most 64 megapixels."


def as_file(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """Return an image file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int) -> bytes:
    """Return a small PNG file of black pixels, whatever its size: a bomb if it is large."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    lines = zlib.compress(bytes(height * (1 + (width + 7) // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", lines), chunk(b"IEND", b"")]
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_stretch_is_how_image_files_are_packed(kind: str, tmp_path: Path):
    """The same pixels as in a prepared set, turned upright by the EXIF tag."""
    exif = Image.Exif()
    exif[274] = LEFT_IS_UP
    options = {} if kind == "BMP" else {"exif": exif}
    (tmp_path / "image").write_bytes(as_file(COLOURS, kind, **options))
    expected = decode_image(tmp_path / "image", height=32, width=16, formats=(kind,))
    np.testing.assert_array_equal(open_photograph(tmp_path / "image", (32, 16)), expected)
    content = (tmp_path / "image").read_bytes()
    np.testing.assert_array_equal(open_photograph(content, (32, 16)), expected)


def test_crop_keeps_the_aspect_ratio():
    """The centre of the long side is what is left."""
    cropped = open_photograph(as_file(COLOURS), (40, 40), resize="crop")
    np.testing.assert_array_equal(cropped, COLOURS[:, 10:50])


def test_ink_is_how_drawings_are_packed():
    """Dark strokes on paper become a drawing of Omniglot."""
    paper = np.full((105, 105), 255, dtype=np.uint8)
    paper[20:80, 50:55] = 0
    content = as_file(paper)
    drawing = omniglot.Drawing("Greek", "character01", 0)
    expected = omniglot._decode(drawing, content, 28)
    np.testing.assert_array_equal(
        open_photograph(content, (28, 28), resize="ink", channels=1), expected
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_rule_gives_the_asked_shape(rule: str, channels: int):
    """Also for an image of one pixel."""
    for pixels in (COLOURS, COLOURS[:1, :1]):
        image = open_photograph(as_file(pixels), (12, 20), resize=rule, channels=channels)
        assert (image.shape, image.dtype) == ((12, 20, channels), np.uint8)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "another format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "another format"),
        (b"<!doctype html><script>alert(1)</script>", "another format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "another format"),
        (as_file(COLOURS, "GIF"), "another format"),
        (png(10_000, 10_000), "100,000,000 pixels"),
        (png(8_100, 8_000), "64,800,000 pixels"),
        (png(60_000, 60_000), "more than 64,000,000 pixels"),
        (bytes(64_000_001), "a file of 64,000,001 bytes, more than 64,000,000"),
    ],
    ids=["empty", "svg", "html", "eps", "gif", "100 MP", "65 MP", "bomb", "large file"],
)
def test_what_is_no_photograph_is_one_sentence(content: bytes, found: str):
    """It is refused before a pixel is decoded."""
    with pytest.raises(DataError) as error:
        open_photograph(content, (24, 24))
    assert str(error.value).startswith(f"{SENTENCE} Found: ")
    assert found in str(error.value) or "more than 64,000,000 pixels" in str(error.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_half_a_file_is_one_sentence(kind: str, tmp_path: Path):
    """It names the file, not a buffer in memory."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = as_file(noise, kind)
    path = tmp_path / "half.jpg"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError) as error:
        open_photograph(path, (24, 24))
    assert str(error.value).startswith(f"{path} must be a whole JPEG")
    assert "BytesIO" not in str(error.value)


def test_a_missing_file_and_a_folder_are_one_sentence(tmp_path: Path):
    """With the system's reason."""
    with pytest.raises(DataError, match=r"Found: No such file or directory\.$"):
        open_photograph(tmp_path / "none.jpg", (24, 24))
    with pytest.raises(DataError, match=r"Found: Is a directory\.$"):
        open_photograph(tmp_path, (24, 24))


def test_a_thumbnail_is_a_small_jpeg():
    """The photograph's aspect ratio is kept."""
    with Image.open(io.BytesIO(make_thumbnail(as_file(COLOURS), side=30))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (30, 20))
