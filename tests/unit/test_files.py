"""A file appears complete or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sfsc.files import lock, replacing


def test_a_file_and_its_folder_are_made(tmp_path: Path):
    """A missing folder is created; only the file remains."""
    path = tmp_path / "new" / "file"
    with replacing(path) as temporary:
        temporary.write_text("all")
        assert not path.exists()
    assert path.read_text() == "all"
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupted_block_leaves_the_old_content(tmp_path: Path):
    """Neither a half-written nor a temporary file remains."""
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Otherwise a power cut after the rename could leave an empty file."""
    path = tmp_path / "file"
    synced: list[str] = []

    def sync(descriptor: int) -> None:
        assert not path.exists()
        synced.append(os.read(descriptor, 10).decode())

    monkeypatch.setattr(os, "fsync", sync)
    with replacing(path) as temporary:
        temporary.write_text("all")
    assert synced == ["all"]
    assert path.read_text() == "all"


def test_a_lock_has_one_owner_and_names_it(tmp_path: Path):
    """A second one is refused until the first closes the file."""
    path = tmp_path / "room" / "lock"
    with lock(path):
        assert path.read_text() == f"{os.getpid()}\n"
        with pytest.raises(BlockingIOError, match=f"^process {os.getpid()}$"):
            lock(path)
    lock(path).close()


def test_a_killed_owner_leaves_no_lock(tmp_path: Path):
    """The system releases the lock of a process, however it ends."""
    path = tmp_path / "lock"
    program = (
        "import os, signal; from pathlib import Path; from sfsc.files import lock;"
        f"file = lock(Path({str(path)!r})); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", program], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text().strip().isdigit()
    lock(path).close()
