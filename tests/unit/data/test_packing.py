"""Packing that is killed goes on where it was, and ends with the same files."""

import logging
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from miniatures import draw_jpeg, write_market1501
from prepared_sets import LABELS

from sfsc.data import image_files
from sfsc.data.image_files import pack_images
from sfsc.data.integrity import check_digests
from sfsc.data.manifest import Row
from sfsc.data.prepare import prepare
from sfsc.data.prepared import FILES, PreparedSet, file_digest
from sfsc.data.sets.market1501 import Settings
from sfsc.errors import DataError
from sfsc.settings.jobs import PrepareJob

SIZE = {"height": 32, "width": 16}
COUNT, BATCH, STOP = len(LABELS), 2, 5

SLOW = """
import json, sys, time
from pathlib import Path
from sfsc.settings.jobs import PrepareJob
from sfsc.data import image_files
from sfsc.data.integrity import check_digests
from sfsc.data.prepare import prepare

decode, image_files.BATCH = image_files.decode_image, 4

def decode_slowly(*args, **options):
    time.sleep(0.05)
    return decode(*args, **options)

image_files.decode_image = decode_slowly
prepare(PrepareJob.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
"""
"""`sfsc prepare`, but slow enough to be killed on the way."""


@pytest.fixture
def files(tmp_path: Path) -> list[Row]:
    """Return image files, written."""
    for number in range(COUNT):
        (tmp_path / f"{number}.jpg").write_bytes(draw_jpeg(str(number)))
    return [Row(f"{number}.jpg", *label) for number, label in enumerate(LABELS)]


def _pack(files: list[Row], folder: Path, size: dict[str, int] = SIZE) -> PreparedSet:
    return pack_images(files, folder, folder / "images.npy", **size)


def _interrupt(files: list[Row], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack until image `STOP` is decoded."""
    monkeypatch.setattr(image_files, "BATCH", BATCH)
    original = image_files.decode_image

    def stop(path: Path, **options: object) -> object:
        if path.name == f"{STOP}.jpg":
            raise KeyboardInterrupt
        return original(path, **options)

    monkeypatch.setattr(image_files, "decode_image", stop)
    with pytest.raises(KeyboardInterrupt):
        _pack(files, folder)
    monkeypatch.setattr(image_files, "decode_image", original)


def _count_decoded(
    files: list[Row],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: dict[str, int] = SIZE,
) -> int:
    """Pack what is left and return of how many files that was; check the result."""
    decoded: list[str] = []
    original = image_files.decode_image

    def count(path: Path, **options: object) -> object:
        decoded.append(path.name)
        return original(path, **options)

    monkeypatch.setattr(image_files, "decode_image", count)
    prepared = _pack(files, folder, size)
    assert prepared.images.shape == (len(files), size["height"], size["width"], 3)
    assert len(prepared.manifest) == len(files)
    check_digests(prepared.manifest, prepared.images)
    for file, image in zip(files, prepared.images, strict=True):
        assert (original(folder / file.path, **size) == image).all()
    return len(decoded)


def test_whole_batches_are_not_decoded_again(
    files: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two batches of two were written before the fifth image."""
    _interrupt(files, tmp_path, monkeypatch)
    assert _count_decoded(files, tmp_path, monkeypatch) == COUNT - 2 * BATCH


def test_labels_may_change_in_between(
    files: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """They are no part of the pixels."""
    _interrupt(files, tmp_path, monkeypatch)
    other = [replace(file, camera=file.camera + 3) for file in files]
    assert _count_decoded(other, tmp_path, monkeypatch) == COUNT - 2 * BATCH
    assert _pack(other, tmp_path).manifest.camera.tolist() == [file.camera for file in other]


def test_other_files_and_sizes_are_packed_again(
    files: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nothing is kept that might not be what would be packed now; all else is."""
    _interrupt(files, tmp_path, monkeypatch)
    larger = SIZE | {"height": 48}
    assert _count_decoded(files, tmp_path, monkeypatch, larger) == COUNT
    reordered = [*files[:3], *files[:2:-1]]
    assert _count_decoded(files, tmp_path, monkeypatch) == COUNT
    assert _count_decoded(reordered, tmp_path, monkeypatch) == COUNT - 3
    (tmp_path / "0.jpg").write_bytes(draw_jpeg("another"))
    assert _count_decoded(reordered, tmp_path, monkeypatch) == 1
    assert _count_decoded(reordered, tmp_path, monkeypatch) == 0


def test_a_longer_table_keeps_what_is_packed(
    files: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Only the added image is decoded."""
    _pack(files, tmp_path)
    (tmp_path / "new.jpg").write_bytes(draw_jpeg("new"))
    longer = [*files, Row("new.jpg", 2, 2, "gallery")]
    assert _count_decoded(longer, tmp_path, monkeypatch) == 1


@pytest.mark.parametrize("spoil", ["altered", "cut", "torn", "no_file", "no_journal"])
def test_what_is_not_whole_is_packed_again(
    files: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: str
):
    """The digests in the journal decide, image by image."""
    _interrupt(files, tmp_path, monkeypatch)
    packed, journal = tmp_path / "images.npy", tmp_path / "images.journal"
    content, size = packed.read_bytes(), 32 * 16 * 3
    kept = {"altered": 3, "cut": 3, "torn": 3, "no_file": 0, "no_journal": 0}[spoil]
    end = 128 + 4 * size
    if spoil == "altered":
        packed.write_bytes(content[: end - 1] + bytes([content[end - 1] ^ 1]) + content[end:])
    elif spoil == "cut":
        packed.write_bytes(content[: end - 1])
    elif spoil == "torn":  # the last line is not whole
        journal.write_bytes(journal.read_bytes()[:-9])
    else:
        (packed if spoil == "no_file" else journal).unlink()
    assert len(content) == 128 + COUNT * size
    assert _count_decoded(files, tmp_path, monkeypatch) == COUNT - kept


def test_a_killed_prepare_ends_with_the_files_of_an_undisturbed_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """SIGKILL on the way, then the same call: byte for byte the same, and nothing is left over."""
    write_market1501(tmp_path / "raw" / "market1501")
    settings = Settings(image_height=32, image_width=16, counts="any")
    job = PrepareJob(validation_fraction=0.3, settings=settings)
    arguments = [job.model_dump_json(), str(tmp_path / "raw"), str(tmp_path / "set")]
    journal = tmp_path / ".set.partial" / "images.journal"
    process = subprocess.Popen([sys.executable, "-c", SLOW, *arguments])
    try:
        deadline = time.monotonic() + 60
        while not journal.exists() or len(journal.read_text().splitlines()) < 8:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "set").exists()
    done = len(journal.read_text().splitlines())
    caplog.set_level(logging.INFO)
    prepare(job, tmp_path / "raw", tmp_path / "set")
    assert any(line.startswith(f"{done} of ") for line in caplog.messages)
    prepare(job, tmp_path / "raw", tmp_path / "undisturbed")
    for name in FILES:
        assert file_digest(tmp_path / "set" / name) == file_digest(tmp_path / "undisturbed" / name)
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "set", "undisturbed"}


def test_after_a_mistake_the_other_images_stay_packed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """A damaged file costs no more than to decode its replacement."""
    raw = write_market1501(tmp_path / "raw" / "market1501")
    damaged = next((raw / "query").glob("[!.]*.jpg"))
    content = damaged.read_bytes()
    damaged.write_bytes(b"no picture")
    settings = Settings(image_height=32, image_width=16, counts="any")
    job = PrepareJob(validation_fraction=0.3, settings=settings)
    with pytest.raises(DataError, match="All images must be readable"):
        prepare(job, tmp_path / "raw", tmp_path / "set")
    assert caplog.messages[-1] == f"{damaged}: another format"
    damaged.write_bytes(content)
    caplog.set_level(logging.INFO)
    prepare(job, tmp_path / "raw", tmp_path / "set")
    assert "37 of 38 images are packed already." in caplog.messages
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "set"}


def test_a_mistake_that_the_pixels_show_throws_no_packing_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """A leak between splits is found after the packing; the next run decodes nothing else."""
    raw = write_market1501(tmp_path / "raw" / "market1501")
    train, test = (next((raw / f).glob("[!.]*.jpg")) for f in ("bounding_box_train", "query"))
    content = test.read_bytes()
    test.write_bytes(train.read_bytes())
    settings = Settings(image_height=32, image_width=16, counts="any")
    job = PrepareJob(validation_fraction=0.3, settings=settings)
    with pytest.raises(DataError, match="No image may be in two splits"):
        prepare(job, tmp_path / "raw", tmp_path / "set")
    test.write_bytes(content)
    caplog.set_level(logging.INFO)
    prepare(job, tmp_path / "raw", tmp_path / "set")
    assert "37 of 38 images are packed already." in caplog.messages
