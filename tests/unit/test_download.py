from pathlib import Path

import pytest

from sfsc.download import obtain
from sfsc.errors import DataError


def test_a_file_is_downloaded_or_copied(tmp_path: Path):
    """Without a mirror the address is read, with one its copy; the source is returned."""
    source, path = tmp_path / "a.zip", tmp_path / "b.zip"
    source.write_bytes(b"a")
    assert obtain(path, url=source.as_uri(), mirrored=None, what="it") == source.as_uri()
    assert path.read_bytes() == b"a"
    source.write_bytes(b"b")
    assert obtain(path, url="https://x.invalid", mirrored=source, what="it") == str(source)
    assert path.read_bytes() == b"b"


def test_a_file_that_the_mirror_lacks_is_a_sentence(tmp_path: Path):
    """The missing file is named; nothing is downloaded instead."""
    source = tmp_path / "a.zip"
    with pytest.raises(DataError) as raised:
        obtain(tmp_path / "b.zip", url="https://x.invalid", mirrored=source, what="it")
    assert str(raised.value) == (
        f"{source} must be a readable file of the mirror. Found: No such file or directory."
    )


def test_an_address_that_cannot_be_reached_is_a_sentence(tmp_path: Path):
    """It says what to do without a network."""
    url = (tmp_path / "a.zip").as_uri()
    with pytest.raises(DataError) as raised:
        obtain(tmp_path / "b.zip", url=url, mirrored=None, what="Groceries")
    assert str(raised.value).startswith(f"{url} must be reachable to fetch Groceries. Found: ")
    assert str(raised.value).endswith("Try again, or set SFSC_MIRROR to a folder that holds it.")
