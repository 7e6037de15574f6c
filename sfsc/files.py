"""Writing files that are complete or absent, and owning what no other process may write."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` if the block succeeds.

    Whatever interrupts the block, even a power cut, `path` holds all of its old or all of its new
    content.

    Args:
        path: The file to write; its folder is created if missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        move_into_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def move_into_place(source: Path, path: Path) -> None:
    """Rename a finished file after its content has reached the disk.

    A rename can reach the disk before the content does; a power cut in between would leave an empty
    file under the final name.

    Args:
        source: The finished file, on the same file system as `path`.
        path: Its final name.
    """
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(path)


def write_texts(texts: Mapping[Path, str]) -> None:
    """Write text files, each whole or not at all.

    Args:
        texts: The content of each file.
    """
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def lock(path: Path) -> TextIO:
    """Lock a file for this process, until it is closed or the process ends in any way.

    Args:
        path: The file; it is created if missing and then holds the number of this process.

    Returns:
        The open file.

    Raises:
        BlockingIOError: If another process holds the lock; the message names it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with file:
            file.seek(0)
            raise BlockingIOError(f"process {file.read().strip() or 'unknown'}") from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
