"""Tiny prepared sets and archives, whole and spoilt."""

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from sfsc.data.manifest import Manifest, Row, Split, pixel_digest
from sfsc.data.prepared import PreparedSet, file_digest

Label = tuple[int, int, Split]
LABELS: tuple[Label, ...] = (
    (0, 0, "train"),
    (0, 1, "train"),
    (1, 0, "validation"),
    (1, 1, "validation"),
    (2, 0, "query"),
    (2, 1, "gallery"),
    (-1, 1, "gallery"),
    (4, 0, "train"),
    (4, 1, "train"),
)
"""Identity, camera and split of a small whole set."""


def make_set(labels: Iterable[Label] = LABELS) -> PreparedSet:
    """Return a set of random images with the given labels."""
    labels = list(labels)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 4, 4, 3), dtype=np.uint8)
    rows = [
        Row(f"{number}.png", *label, pixel_digest(image))
        for number, (label, image) in enumerate(zip(labels, images, strict=True))
    ]
    return PreparedSet(Manifest.from_rows(rows), images)


def write_set(folder: Path, prepared: PreparedSet) -> Path:
    """Write what `PreparedSet.open` reads."""
    prepared.manifest.save(folder / "manifest.csv")
    np.save(folder / "images.npy", prepared.images)
    summary = {"manifest_sha256": file_digest(folder / "manifest.csv")}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def write_archive(path: Path, members: dict[str, bytes]) -> Path:
    """Write a zip archive with the given members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def draw_png(seed: int, side: int = 105) -> bytes:
    """Return a random black-and-white PNG file."""
    pixels = np.random.default_rng(seed).integers(0, 2, (side, side), dtype=np.uint8) * 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert("1").save(buffer, format="PNG")
    return buffer.getvalue()


def draw_alphabet(name: str, characters: int, *, drawers: int = 4) -> dict[str, bytes]:
    """Return the drawings of an alphabet by their path below an archive's folder."""
    return {
        f"{name}/character{character:02d}/{character:04d}_{drawer:02d}.png": draw_png(
            sum(name.encode()) + 100 * character + drawer
        )
        for character in range(1, characters + 1)
        for drawer in range(1, drawers + 1)
    }
