from pathlib import Path

import pytest
from prepared_sets import write_archive

from sfsc.data import archive
from sfsc.data.archive import check_archive, read_archive
from sfsc.data.prepared import file_digest
from sfsc.errors import DataError

MEND = "Delete it and fetch it again."


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Return a harmless archive of two files."""
    return write_archive(tmp_path / "a.zip", {"a/b.txt": b"b" * 1000, "a/c.txt": b"c"})


def _refusal(path: Path, sha256: str = "0" * 64) -> str:
    with pytest.raises(DataError) as raised:
        check_archive(path, sha256=sha256)
    return str(raised.value)


def test_a_whole_archive_passes_and_is_read_in_order(whole: Path):
    """The files come in the archive's order, folders left out."""
    check_archive(whole, sha256=file_digest(whole))
    assert read_archive(whole) == {"a/b.txt": b"b" * 1000, "a/c.txt": b"c"}


def test_a_missing_archive_is_refused(tmp_path: Path):
    """A missing archive is a sentence that says what to do."""
    path = tmp_path / "a.zip"
    assert _refusal(path) == (f"{path} must be a zip archive. Found no such file. Fetch it first.")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_archive_is_refused(whole: Path, share: float):
    """A cut archive is called truncated, wherever it was cut."""
    sha256, content = file_digest(whole), whole.read_bytes()
    whole.write_bytes(content[: int(share * len(content))])
    assert _refusal(whole, sha256) == (
        f"{whole} must be a complete zip archive. Found a truncated file or one of another kind. "
        f"{MEND}"
    )


def test_an_altered_archive_is_refused(whole: Path):
    """One changed bit is found."""
    sha256, content = file_digest(whole), bytearray(whole.read_bytes())
    content[40] ^= 1
    whole.write_bytes(content)
    assert _refusal(whole, sha256) == (
        f"{whole} must be the published archive (SHA-256 {sha256}). "
        f"Found SHA-256 {file_digest(whole)}: it was altered. {MEND}"
    )


def test_a_damaged_file_inside_an_archive_is_refused(whole: Path):
    """Reading checks the checksum of each file, even of an archive without a published digest."""
    content = bytearray(whole.read_bytes())
    content[40] ^= 1
    whole.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_archive(whole)
    assert str(raised.value).startswith(f"{whole} must be an undamaged zip archive. Found: ")


@pytest.mark.parametrize(
    "name", ["../b.txt", "a/../../b.txt", "/b.txt", "..\\b.txt", "C:/b.txt", "C:\\b.txt"]
)
def test_a_path_that_escapes_is_refused(tmp_path: Path, name: str):
    """No path may leave the archive's folder, on any system."""
    path = write_archive(tmp_path / "a.zip", {"a/b.txt": b"b", name: b"evil"})
    sentence = f"{path} must hold paths within its own folder only. Found `{name}`. Do not use it."
    assert _refusal(path) == sentence
    with pytest.raises(DataError) as raised:
        read_archive(path)
    assert str(raised.value) == sentence
    assert [file.name for file in tmp_path.rglob("*")] == ["a.zip"]


def test_an_archive_that_unpacks_to_too_much_is_refused(
    whole: Path, monkeypatch: pytest.MonkeyPatch
):
    """A small archive cannot fill the memory."""
    monkeypatch.setattr(archive, "LARGEST", 1000)
    with pytest.raises(DataError) as raised:
        read_archive(whole)
    assert str(raised.value) == f"{whole} must not unpack to more than 1000 bytes. {MEND}"
