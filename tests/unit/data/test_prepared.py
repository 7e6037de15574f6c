from pathlib import Path

import numpy as np
import pytest
from prepared_sets import make_set, write_set

from sfsc.data.prepared import PreparedSet, file_digest
from sfsc.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a whole set."""
    return write_set(tmp_path, make_set())


def _refusal(folder: Path) -> str:
    with pytest.raises(DataError) as raised:
        PreparedSet.open(folder)
    return str(raised.value)


def test_an_opened_set_is_the_written_one_and_memory_mapped(folder: Path):
    """Opening reads no image before it is asked for."""
    prepared = PreparedSet.open(folder)
    assert isinstance(prepared.images, np.memmap)
    assert (prepared.images == make_set().images).all()
    prepared.check()


def test_a_missing_image_file_is_refused(folder: Path):
    """A set without its images is a sentence."""
    (folder / "images.npy").unlink()
    assert _refusal(folder) == (
        f"{folder}/images.npy must be a readable numpy array. Found: [Errno 2] No such file or "
        f"directory: '{folder}/images.npy'. Prepare the data set again."
    )


@pytest.mark.parametrize("size", [0, 50, 200])
def test_a_truncated_image_file_is_refused(folder: Path, size: int):
    """A cut file is found when it is opened, not when a far image is read."""
    path = folder / "images.npy"
    path.write_bytes(path.read_bytes()[:size])
    assert _refusal(folder).startswith(f"{path} must be a readable numpy array. Found: ")


def test_a_missing_summary_is_refused(folder: Path):
    """Without the summary, which is written last, a set is not whole."""
    (folder / "summary.json").unlink()
    assert _refusal(folder) == (
        f"{folder}/summary.json must be the summary of a prepared set. Found: [Errno 2] No such "
        f"file or directory: '{folder}/summary.json'. Prepare the data set again."
    )


def test_an_altered_manifest_is_refused(folder: Path):
    """The manifest is the one that the summary vouches for."""
    path = folder / "manifest.csv"
    expected = file_digest(path)
    path.write_text(path.read_text().replace(",0,0,train", ",5,0,train"))
    assert _refusal(folder) == (
        f"{path} must be the file that summary.json describes (SHA-256 {expected}). "
        f"Found SHA-256 {file_digest(path)}. Prepare the data set again."
    )
