import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from prepared_sets import write_archive

from sfsc.data.archive import read_archive
from sfsc.data.snapshot import Snapshot, digest_of_files
from sfsc.errors import DataError

FILES = {"data/b.jpg": b"b", "data/a.jpg": b"a"}
SNAPSHOT = Snapshot(
    dataset="toys",
    repository="someone/Toys",
    commit="0123456789abcdef",
    used=re.compile(r"data/[ab]\.jpg"),
    digest=digest_of_files(FILES),
)


def write(path: Path, files: dict[str, bytes]) -> Path:
    """Write an archive as GitHub does: all paths in a folder named after the commit."""
    return write_archive(path, {f"Toys-0123456789abcdef/{name}": c for name, c in files.items()})


def test_the_digest_is_what_sha256sum_prints():
    """A user can compute it with standard tools."""
    lines = [f"{hashlib.sha256(FILES[path]).hexdigest()}  {path}\n" for path in sorted(FILES)]
    assert SNAPSHOT.digest == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_whole_archives_and_parts_give_the_same_file(tmp_path: Path):
    """Files that are not used, their order and the compression do not matter."""
    whole = FILES | {"data/c.jpg": b"c" * 10_000, "README.md": b"?"}
    write(tmp_path / "one" / "toys" / "Toys-0123456.zip", whole)
    write(tmp_path / "two" / "toys" / "Toys-0123456-part.zip", dict(reversed(FILES.items())))
    for mirror in ("one", "two"):
        SNAPSHOT.fetch("Toys-0123456.zip", tmp_path / f"{mirror}.zip", tmp_path / mirror)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert set(read_archive(tmp_path / "one.zip")) == {f"{SNAPSHOT._root}{path}" for path in FILES}


def test_the_address_is_that_of_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """GitHub makes the archive of a commit."""
    addresses = []

    def obtain(path: Path, *, url: str, **_: object) -> str:
        addresses.append(url)
        write(path, FILES)
        return url

    monkeypatch.setattr("sfsc.data.snapshot.obtain", obtain)
    SNAPSHOT.fetch("Toys-0123456.zip", tmp_path / "Toys-0123456.zip", None)
    assert addresses == ["https://github.com/someone/Toys/archive/0123456789abcdef.zip"]
    assert SNAPSHOT.read(tmp_path) == FILES


@pytest.mark.parametrize(
    "files", [FILES | {"data/a.jpg": b"?"}, {"data/a.jpg": b"a"}, {}], ids=["altered", "few", "no"]
)
def test_other_files_are_refused_and_nothing_is_written(tmp_path: Path, files: dict[str, bytes]):
    """One changed or missing file changes the digest."""
    source = write(tmp_path / "toys" / "Toys-0123456.zip", files)
    with pytest.raises(DataError) as raised:
        SNAPSHOT.fetch("Toys-0123456.zip", tmp_path / "new" / "a.zip", tmp_path)
    found = f"Found {len(files)} files of digest {digest_of_files(files)}."
    assert str(raised.value) == (
        f"{source} must hold the published files of toys: those of commit 0123456 of someone/Toys "
        f"(digest {SNAPSHOT.digest}). {found} Delete it and fetch it again."
    )
    assert list((tmp_path / "new").iterdir()) == []


def test_another_archive_is_refused(tmp_path: Path):
    """The only archive is that of the commit."""
    with pytest.raises(DataError) as raised:
        SNAPSHOT.fetch("Toys-main.zip", tmp_path / "a.zip", None)
    assert (
        str(raised.value) == "The archive of toys must be Toys-0123456.zip. Found `Toys-main.zip`."
    )


def test_what_was_fetched_is_verified_again_when_read(tmp_path: Path):
    """A file that someone put there is not taken for the published one."""
    write(tmp_path / "Toys-0123456.zip", FILES)
    assert SNAPSHOT.read(tmp_path) == FILES
    with pytest.raises(DataError, match=r"must hold the published files of toys"):
        replace(SNAPSHOT, digest="0" * 64).read(tmp_path)
