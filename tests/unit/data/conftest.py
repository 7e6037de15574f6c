"""Tiny sets and archives, whole and spoilt."""

import io
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfsc.config import Synthetic
from sfsc.data import omniglot
from sfsc.data.manifest import Manifest, Row, Split, pixel_digest
from sfsc.data.prepared import PreparedSet, file_digest

LABELS: tuple[tuple[int, int, Split], ...] = (
    (0, 0, "train"),
    (0, 1, "train"),
    (1, 0, "validation"),
    (1, 1, "validation"),
    (2, 0, "query"),
    (2, 1, "gallery"),
    (-1, 1, "gallery"),
)

MakeSet = Callable[[Iterable[tuple[int, int, Split]]], PreparedSet]


@pytest.fixture
def make_set() -> MakeSet:
    """Return a maker of sets of random images with given (identity, camera, split)."""

    def make(labels: Iterable[tuple[int, int, Split]]) -> PreparedSet:
        labels = list(labels)
        images = np.random.default_rng(0).integers(0, 256, (len(labels), 4, 4, 3), dtype=np.uint8)
        rows = [
            Row(f"{number}.png", *label, pixel_digest(image))
            for number, (label, image) in enumerate(zip(labels, images, strict=True))
        ]
        return PreparedSet(Manifest.from_rows(rows), images)

    return make


@pytest.fixture
def prepared_dir(make_set: MakeSet, tmp_path: Path) -> Path:
    """Return the folder of a small whole set."""
    prepared = make_set(LABELS)
    prepared.manifest.save(tmp_path / "manifest.csv")
    np.save(tmp_path / "images.npy", prepared.images)
    summary = {"manifest_sha256": file_digest(tmp_path / "manifest.csv")}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    return tmp_path


@pytest.fixture
def settings() -> Synthetic:
    """Return the settings of a synthetic set of 72 images."""
    return Synthetic(
        seed=3,
        train_identities=8,
        test_identities=4,
        cameras=6,
        cameras_per_identity=3,
        images_per_camera=2,
        image_size=16,
    )


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


@pytest.fixture
def handwriting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a raw folder like Omniglot's: 5 characters to train on, 3 to test on, 4 drawers."""
    raw = tmp_path / "raw"
    one = {f"one/Greek/character{c:02d}/000{c}_{d:02d}.png": (c, d) for c in (1, 2, 3) for d in range(1, 5)}
    two = {f"two/Latin/character{c:02d}/001{c}_{d:02d}.png": (c + 3, d) for c in (1, 2) for d in range(1, 5)}
    test = {f"two/Korean/character{c:02d}/002{c}_{d:02d}.png": (c + 5, d) for c in (1, 2, 3) for d in range(1, 5)}
    shared = {name.replace("one", "two", 1): label for name, label in one.items()}
    digests = {}
    for name, members in (("one", one), ("two", {**two, **test, **shared})):
        content = {path: draw_png(100 * c + d) for path, (c, d) in members.items()}
        digests[name] = file_digest(write_archive(raw / "omniglot" / f"{name}.zip", content))
    monkeypatch.setattr(omniglot, "ARCHIVES", digests)
    monkeypatch.setattr(omniglot, "TRAIN_CHARACTERS", 5)
    monkeypatch.setattr(omniglot, "TEST_CHARACTERS", 3)
    monkeypatch.setattr(omniglot, "DRAWERS", 4)
    return raw
