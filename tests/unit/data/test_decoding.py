"""Image files become the pixels that a viewer shows, or are refused by name."""

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sfsc.data.decoding import decode_image

SIZE = {"height": 32, "width": 24}
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
RAMP = np.tile(np.linspace(0, 255, 24, dtype=np.uint8), (32, 1))
COLOURS = np.stack([RAMP, RAMP[::-1, ::-1], np.full_like(RAMP, 40)], axis=-1)
UNKNOWN_WHITE = "its pixels are of mode {}, whose white is unknown; convert it to 8 bits"


def _decode(folder: Path, content: bytes) -> np.ndarray:
    (folder / "image").write_bytes(content)
    return decode_image(folder / "image", **SIZE, formats=FORMATS)


def _file(image: Image.Image | np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _deep_png(samples: np.ndarray, colour_type: int) -> bytes:
    """Return a PNG file of 16-bit samples (H, W, channels), which Pillow cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)

    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in samples)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")]
    )


GREY16 = RAMP.astype(np.uint16) * 257
BIG_ENDIAN = Image.frombytes("I;16B", (24, 32), GREY16.astype(">u2").tobytes())


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (_file(GREY16), "I;16"),
        (_file(RAMP.astype(np.uint16) * 16), "I;16"),  # 12 significant bits
        (_file(GREY16, "TIFF"), "I;16"),
        (_file(BIG_ENDIAN, "TIFF"), "I;16B"),
        (_file(GREY16.astype(np.int32), "TIFF"), "I"),
        (_file(RAMP.astype(np.float32), "TIFF"), "F"),
    ],
    ids=["png", "png12", "tiff", "tiff-big-endian", "int32", "float"],
)
def test_deep_grey_is_refused_and_not_clipped(tmp_path: Path, content: bytes, mode: str):
    """`convert("RGB")` made all of a 16-bit ramp white but for two values."""
    with pytest.raises(ValueError, match=re.escape(UNKNOWN_WHITE.format(mode))):
        _decode(tmp_path, content)


def test_deep_colour_keeps_its_high_byte(tmp_path: Path):
    """The white of 16-bit colour is 65535, and of grey with alpha, too."""
    found = _decode(tmp_path, _deep_png(COLOURS.astype(np.uint16) * 257, 2))
    assert (found == COLOURS).all()
    opaque = np.full_like(GREY16, 65535)
    found = _decode(tmp_path, _deep_png(np.stack([GREY16, opaque], axis=-1), 4))
    assert (found == RAMP[:, :, None]).all()


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_deep_colour_of_twelve_bits_is_refused(tmp_path: Path, colour_type: int, channels: int):
    """It would be almost black."""
    samples = np.repeat((RAMP.astype(np.uint16) * 16)[:, :, None], channels, axis=2)
    if channels != 3:
        samples[:, :, -1] = 65535
    with pytest.raises(ValueError, match="it uses at most 12 of its 16 bits; scale it to 8 bits"):
        _decode(tmp_path, _deep_png(samples, colour_type))


@pytest.mark.parametrize("kind", ["RGBA", "LA", "PA", "P", "RGB", "L", "WEBP"])
def test_transparent_pixels_are_white(tmp_path: Path, kind: str):
    """Whatever colour is hidden below, and however the file says which pixels they are."""
    alpha = np.where(RAMP > 127, 255, 0).astype(np.uint8)
    grey = np.where(RAMP > 127, 90, 30).astype(np.uint8)
    layer = Image.fromarray(np.stack([grey, grey, grey, alpha], axis=-1))
    if kind in {"RGBA", "LA"}:
        content = _file(layer.convert(kind))
    elif kind == "WEBP":
        content = _file(layer, "WEBP", lossless=True, exact=True)
    elif kind in {"RGB", "L"}:
        key = 30 if kind == "L" else (30, 30, 30)
        content = _file(layer.convert("L").convert(kind), transparency=key)
    else:
        palette = Image.fromarray((RAMP > 127).astype(np.uint8), "P")
        palette.putpalette([30, 30, 30, 90, 90, 90])
        transparency = 0 if kind == "P" else bytes([0, 255])
        content = _file(palette, transparency=transparency)
    expected = np.where(RAMP > 127, 90, 255)
    assert (_decode(tmp_path, content) == expected[:, :, None]).all()


def test_half_transparent_pixels_are_mixed_with_white(tmp_path: Path):
    """As a page shows them."""
    layer = np.dstack([np.zeros_like(COLOURS), np.full_like(RAMP, 51)])
    assert (_decode(tmp_path, _file(layer)) == 204).all()


def test_an_opaque_alpha_changes_nothing(tmp_path: Path):
    """Most files with alpha are opaque."""
    layer = np.dstack([COLOURS, np.full_like(RAMP, 255)])
    assert (_decode(tmp_path, _file(layer)) == COLOURS).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
def test_an_image_that_is_transparent_everywhere_is_refused(tmp_path: Path, kind: str):
    """Its alpha is most likely unused, and it would be white."""
    layer = np.dstack([COLOURS, np.zeros_like(RAMP)])
    content = _file(layer, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    if kind == "BMP":
        found = _decode(tmp_path, content)  # Pillow writes no alpha
        assert (found == COLOURS).all()
        return
    with pytest.raises(ValueError, match="it is transparent everywhere"):
        _decode(tmp_path, content)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_modes_of_eight_bits_are_shown_as_they_are(tmp_path: Path, mode: str):
    """Pillow's own conversion is right for them."""
    picture = Image.fromarray(COLOURS).convert(mode)
    kind = "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"
    content = _file(picture, kind)
    with Image.open(io.BytesIO(content)) as stored:
        expected = np.asarray(stored.convert("RGB"))
    assert (_decode(tmp_path, content) == expected).all()


def _photo(seed: int = 0) -> np.ndarray:
    """Return a noisy colour gradient of 256 x 128 pixels."""
    y, x = np.mgrid[:256, :128]
    noise = np.random.default_rng(seed).integers(-20, 20, (256, 128, 3))
    return np.clip(np.stack([2 * x, y, 255 - y], axis=-1) + noise, 0, 255).astype(np.uint8)


JPEGS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "optimised": {"optimize": True},
    "restarts": {"restart_marker_rows": 1},
    "full chroma": {"subsampling": 0},
}


@pytest.mark.parametrize(
    "name", [*JPEGS, "grey", "CMYK", "padded", "tail", "MPO", "narrow", "flat"]
)
def test_whole_jpeg_files_are_read(tmp_path: Path, name: str):
    """Padding, a tail and long runs of zeros in flat areas are no damage."""
    photo = Image.fromarray(_photo())
    if name in {"grey", "CMYK"}:
        content = _file(photo.convert("L" if name == "grey" else name), "JPEG")
    elif name == "MPO":
        content = _file(photo, "MPO", save_all=True, append_images=[photo])
    elif name == "narrow":
        content = _file(photo.resize((1, 300)), "JPEG")
    elif name == "flat":
        content = _file(Image.new("RGB", (2000, 1000), "white"), "JPEG", optimize=True)
        assert b"\0" * 1000 in content
    else:
        content = _file(photo, "JPEG", quality=90, **JPEGS.get(name, {}))
    if name == "padded":
        content = content[:-2] + b"\0\0\xff\xff\xff\xd9"
    elif name == "tail":
        content += b"\0" * 5000
    with Image.open(io.BytesIO(content)) as picture:
        small = picture.convert("RGB").resize((24, 32), Image.Resampling.BILINEAR)
    assert (_decode(tmp_path, content) == np.asarray(small)).all()


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("damage", ["cut", "cut and ended", "second half zeros", "zeros", "noise"])
def test_a_damaged_jpeg_file_is_refused(tmp_path: Path, name: str, share: float, damage: str):
    """Cut, cut with an end marker, the rest or a page of it zeros, or overwritten."""
    content = _file(_photo(), "JPEG", quality=95, **JPEGS[name])
    place = int(share * len(content))
    rest = content[place + 4096 :] or content[-2:]
    noise = np.random.default_rng(1).bytes(4096)
    damaged = {
        "cut": content[:place],
        "cut and ended": content[:place] + b"\xff\xd9",
        "second half zeros": content[:place] + bytes(len(content) - place),
        "zeros": content[:place] + bytes(4096) + rest,
        "noise": content[:place] + noise + rest,
    }[damage]
    with pytest.raises((ValueError, OSError)):
        _decode(tmp_path, damaged)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_other_formats_that_end_early_are_refused(tmp_path: Path, kind: str, share: float):
    """With the end marker of PNG, too."""
    content = _file(_photo(), kind)
    cut = content[: int(share * len(content))]
    endings = [b"", b"\0\0\0\0IEND\xaeB`\x82"] if kind == "PNG" else [b""]
    for ending in endings:
        with pytest.raises((ValueError, OSError, SyntaxError)):
            _decode(tmp_path, cut + ending)
