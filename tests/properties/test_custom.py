"""Whatever a user's table or image holds: it is read as it is written, or refused in a sentence."""

import csv
import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniatures import CUSTOM, write_custom
from PIL import Image

from sfsc.data import image_files
from sfsc.data.image_files import Decoded
from sfsc.data.manifest import JUNK, pixel_digest
from sfsc.data.prepared import PreparedSet
from sfsc.data.sets.custom import FORMATS, Settings, build
from sfsc.errors import DataError

TABLES, IMAGES = 1000, 1000
SNIPPETS = [
    *("", "0", "1", "7", "-1", "1_0", "+1", " 1", "1.0", "\u0661", "9223372036854775808", "007"),
    *("train", "query", "gallery", "validation", "Train", "test", "junk", "nan", "bob"),
    *("photos/a0.jpg", "./photos/a0.jpg", "photos", "none.jpg", "../x", "/", "x" * 300, "a\0b"),
    *(",", ",,", '"', '""', '"a,b"', "\n", "\r", "\r\n", ";", "\t", "\ufeff", "\u2028", "#"),
]  # fmt: skip
WORDS = ["path", "identity", "camera", "split", "note"]


def _mutate_table(rng: random.Random) -> bytes:
    """Return a table with up to three changes of fields, lines, characters or bytes."""
    lines = [line.split(",") for line in CUSTOM.splitlines()]
    for _ in range(rng.randint(0, 3)):
        line = rng.choice(lines)
        column = rng.randrange(len(line)) if line else 0
        change = rng.randrange(6)
        if change < 3:
            line[column : column + 1] = [rng.choice([*SNIPPETS, *WORDS])]
        elif change == 3:
            lines.insert(rng.randrange(len(lines)), list(line))
        elif change == 4:
            lines.remove(line)
        else:
            other = rng.choice(lines)
            line[column:], other[column:] = other[column:], line[column:]
        lines = lines or [[""]]
    text = rng.choice(["\n", "\n", "\r\n", "\r"]).join(",".join(line) for line in lines)
    content = bytearray(text.encode(rng.choice(["utf-8"] * 8 + ["utf-8-sig", "utf-16"])))
    for _ in range(rng.choice([0, 0, 0, 1, 3])):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def _read_back(content: bytes) -> list[tuple[str, str, str, str]]:
    """Return path, identity, camera and split of each row, read independently."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return [(row["path"], row["identity"], row["camera"], row["split"]) for row in rows]


def _check_nothing_is_lost(prepared: PreparedSet, content: bytes) -> None:
    """Check that the set has each row of the table, as it is written."""
    manifest, rows = prepared.manifest, _read_back(content)
    assert len(rows) == len(manifest) == len(prepared.images)
    for number, (path, identity, camera, split) in enumerate(rows):
        assert manifest.path[number] == path
        assert str(manifest.identity[number]) == (identity.lstrip("0") or "0")
        assert str(manifest.camera[number]) == (camera.lstrip("0") or "0")
        assert manifest.split[number] in ({split, "validation"} if split == "train" else {split})
        assert manifest.identity[number] >= JUNK


def test_a_table_is_read_as_it_is_written_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Every row reaches the set, or the error is a sentence; there is no other error."""

    def decode(path: Path, **_: object) -> Decoded:
        image = np.full((16, 16, 3), hash(path) % 256, dtype=np.uint8)
        return Decoded(image, digest=pixel_digest(image))

    monkeypatch.setattr(image_files, "try_decode", decode)
    raw_dir = write_custom(tmp_path / "custom")
    rng = random.Random(0)  # noqa: S311 - no secret
    settings = Settings(image_height=16, image_width=16)
    sentences = []
    for _ in range(TABLES):
        content = _mutate_table(rng)
        (raw_dir / "images.csv").write_bytes(content)
        packed = raw_dir / "images.npy"
        try:
            prepared = build(settings, raw_dir, validation_fraction=0.3, packed=packed)
        except DataError as error:
            sentences.append(str(error))
        else:
            _check_nothing_is_lost(prepared, content)
    assert all(sentence.endswith((".", " more")) for sentence in sentences)
    assert TABLES / 2 < len(sentences) < TABLES


def _encode(kind: str, mode: str, **options: Any) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((32, 48), Image.Resampling.BICUBIC).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _seeds() -> list[bytes]:
    """Return whole image files of many kinds."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        _encode("JPEG", "RGB", exif=exif),
        _encode("JPEG", "RGB", progressive=True, optimize=True),
        _encode("JPEG", "L", restart_marker_rows=1),
        _encode("JPEG", "CMYK"),
        *(_encode("PNG", mode) for mode in ("RGB", "RGBA", "LA", "L", "P", "1", "I;16")),
        _encode("PNG", "P", transparency=3),
        _encode("WEBP", "RGB"),
        _encode("WEBP", "RGBA", lossless=True),
        *(_encode("BMP", mode) for mode in ("RGB", "P", "1", "RGBA")),
        *(_encode(kind, "RGB") for kind in ("GIF", "TIFF", "PPM", "ICO", "TGA")),
    ]


def _mutate_image(content: bytes, rng: random.Random) -> bytes:
    """Return a file with some bytes changed, or a piece cut out, doubled or overwritten."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(min(len(changed), rng.choice([16, 64, 10**6])))
        stop = min(len(changed), start + rng.choice([1, 4, 100, 10**6]))
        change = rng.randrange(5)
        if change == 0:
            changed[start] = rng.randrange(256)
        elif change == 1:
            del changed[start:stop]
        elif change == 2:
            changed[start:stop] *= 2
        elif change == 3:
            changed[start:stop] = bytes([rng.choice([0, 255])]) * (stop - start)
        else:
            changed[start : start + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\1", b"\x7f\xff"])
        changed = changed or bytearray(b"\0")
    return bytes(changed)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damaged metadata, which do no harm
def test_an_image_file_is_decoded_or_refused(tmp_path: Path):
    """It becomes pixels of the right shape, or its damage is told; there is no other error."""
    seeds, path = _seeds(), tmp_path / "image"
    rng = random.Random(0)  # noqa: S311 - no secret
    decoded = 0
    for number in range(IMAGES):
        path.write_bytes(_mutate_image(seeds[number % len(seeds)], rng))
        result = image_files.try_decode(path, height=16, width=16, formats=FORMATS)
        if result.damage:
            assert not result.digest
        else:
            assert result.image.shape == (16, 16, 3)
            assert result.digest == pixel_digest(result.image)
            decoded += 1
    assert IMAGES / 10 < decoded < IMAGES / 2
