"""Files appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` if the block succeeds.

    Whatever interrupts the block, be it the power, `path` holds either its old content or all of
    the new.

    Args:
        path: The file to write; its folder is made if it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        move_into_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def move_into_place(source: Path, path: Path) -> None:
    """Rename a finished file.

    Its content goes to the disk first: a rename may get there before the content, and a power cut
    in between would leave an empty file under the final name.

    Args:
        source: The finished file, on the file system of `path`.
        path: Its new name.
    """
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(path)
