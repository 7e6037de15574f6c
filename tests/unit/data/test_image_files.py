import io
import logging
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from miniatures import draw_jpeg
from PIL import Image
from prepared_sets import LABELS

from sfsc.data import image_files
from sfsc.data.augmentation import build_augmentation
from sfsc.data.decoding import Pixels, decode_image
from sfsc.data.image_files import find_images, pack_images
from sfsc.data.manifest import Row, pixel_digest
from sfsc.errors import DataError
from sfsc.networks.build import EmbeddingNetwork
from sfsc.settings import parts

SIZE = {"height": 32, "width": 16}


def _write(folder: Path) -> list[Row]:
    """Write nine images."""
    for number in range(len(LABELS)):
        (folder / f"{number}.jpg").write_bytes(draw_jpeg(str(number)))
    return [Row(f"{number}.jpg", *label) for number, label in enumerate(LABELS)]


@pytest.mark.parametrize("threads", [1, 3])
def test_images_are_packed_in_order_whatever_the_batches(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The file is numpy's, row i is image i, and the digests are those of the pixels."""
    monkeypatch.setattr(image_files, "BATCH", 2)
    files = _write(tmp_path)
    packed = tmp_path / "images.npy"
    prepared = pack_images(files, tmp_path, packed, **SIZE, threads=threads)
    assert isinstance(prepared.images, np.memmap)
    assert np.load(packed).shape == (9, 32, 16, 3)
    for number in range(9):
        image = decode_image(tmp_path / f"{number}.jpg", height=32, width=16)
        assert (prepared.images[number] == image).all()
        assert prepared.manifest.digest[number] == pixel_digest(image)


def test_no_more_than_a_batch_is_decoded_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What lies in memory does not grow with the set."""
    monkeypatch.setattr(image_files, "BATCH", 2)
    written: list[int] = []
    original = image_files.Packing.add

    def count(self: image_files.Packing, packed: Iterable[tuple[int, Pixels, str]]) -> None:
        packed = list(packed)
        written.append(len(packed))
        original(self, packed)

    monkeypatch.setattr(image_files.Packing, "add", count)
    pack_images(_write(tmp_path), tmp_path, tmp_path / "images.npy", **SIZE)
    assert written == [2, 2, 2, 2, 1]


def test_the_progress_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """The last line says that all are done."""
    caplog.set_level(logging.INFO)
    files = _write(tmp_path)
    pack_images(files, tmp_path, tmp_path / "images.npy", **SIZE)
    assert caplog.messages[-1] == "image 9/9  0:00:00 left"


def test_an_image_is_resized_by_area_upright_and_in_colour(tmp_path: Path):
    """A grey picture that a camera took lying becomes RGB, higher than wide."""
    lying = np.zeros((40, 80), dtype=np.uint8)
    lying[:, :40] = 200  # its left half is the top once it is upright
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(lying).save(buffer, format="PNG", exif=exif)
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    image = decode_image(tmp_path / "a.png", height=20, width=10, formats=("PNG",))
    assert image.shape == (20, 10, 3)
    assert (image[:9] == 200).all()
    assert (image[11:] == 0).all()


def test_many_damaged_files_are_counted(tmp_path: Path):
    """Five are named."""
    files = _write(tmp_path)
    for file in files:
        (tmp_path / file.path).write_bytes(b"no picture")
    with pytest.raises(DataError) as raised:
        pack_images(files, tmp_path, tmp_path / "images.npy", **SIZE)
    assert str(raised.value).startswith("All images must be readable JPEG files. Found 9 of 9 in ")
    assert str(raised.value).endswith(
        "`4.jpg` (another format) and 4 more. The log names all. "
        "Replace them and run again; the others stay packed."
    )


def test_what_is_skipped_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A folder's `Thumbs.db` and a resource fork are no images."""
    caplog.set_level(logging.INFO)
    (tmp_path / "query").mkdir()
    for name in ("7_2.jpg", "._7_2.jpg", "Thumbs.db"):
        (tmp_path / "query" / name).write_bytes(draw_jpeg(name))
    pattern = re.compile(r"(?P<identity>\d)_(?P<camera>\d)\.jpg")
    files = find_images(tmp_path, "query", "query", pattern=pattern, example="1_1.jpg")
    assert files == [Row("query/7_2.jpg", 7, 2, "query")]
    assert caplog.messages == ["query: skipped 2 files that are not images, such as `._7_2.jpg`"]


@pytest.mark.parametrize("backbone", parts.names("networks.backbones"))
def test_networks_and_augmentation_take_images_that_are_not_square(backbone: str):
    """From packed 32 x 16 images to embeddings, in each sub-model."""
    augmentation = build_augmentation((32, 16), flip=True, rotation=10.0, pad=4, erasing=1.0)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 16, 3), dtype=np.uint8)
    changed = augmentation(torch.from_numpy(images))
    assert changed.shape == (4, 3, 32, 16)
    network = EmbeddingNetwork(backbone, widths=(0.25, 1.0), embedding_dim=8, image_channels=3)
    for switch in (0, 1):
        embedding = network(changed, switch).embedding
        assert embedding.shape == (4, 8)
        assert torch.isfinite(embedding).all()
