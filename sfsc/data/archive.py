"""Zip archives that may be truncated, altered or hostile: they are never unpacked to disk."""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from sfsc.data.prepared import file_digest
from sfsc.errors import DataError

LARGEST = 1 << 32
"""Largest accepted unpacked size, bytes: a small archive may unpack to more than the memory."""

_MEND = "Delete it and fetch it again."


def check_archive(path: Path, *, sha256: str, source: str | None = None) -> None:
    """Check that an archive is the published one.

    Args:
        path: The zip archive.
        sha256: SHA-256 of the published archive, hexadecimal.
        source: Name of the archive in messages; by default its path.

    Raises:
        DataError: If it is missing, truncated, holds a path outside its folder or was altered.
    """
    source = source or str(path)
    _check_exists(path, source)
    found = file_digest(path)
    if found != sha256:
        _list_members(path, source)  # which has a better sentence if the archive is truncated
        raise DataError(
            f"{source} must be the published archive (SHA-256 {sha256}). "
            f"Found SHA-256 {found}: it was altered. {_MEND}"
        )


def read_archive(
    path: Path, *, source: str | None = None, used: Callable[[str], bool] = lambda _: True
) -> dict[str, bytes]:
    """Read the files of an archive into memory.

    Args:
        path: The zip archive.
        source: Name of the archive in messages; by default its path.
        used: Whether to read the file of a path within the archive; by default all are read.

    Returns:
        The content of each file by its path within the archive, in the order of the archive.

    Raises:
        DataError: If it is missing, truncated or damaged, or holds a path outside its folder.
    """
    source = source or str(path)
    _check_exists(path, source)
    members = [member for member in _list_members(path, source) if used(member.filename)]
    try:
        with zipfile.ZipFile(path) as archive:
            return {member.filename: archive.read(member) for member in members}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise DataError(
            f"{source} must be an undamaged zip archive. Found: {error}. {_MEND}"
        ) from error


def _check_exists(path: Path, source: str) -> None:
    if not path.is_file():
        raise DataError(f"{source} must be a zip archive. Found no such file. Fetch it first.")


def _list_members(path: Path, source: str) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise DataError(
            f"{source} must be a complete zip archive. "
            f"Found a truncated file or one of another kind. {_MEND}"
        ) from error
    for member in members:
        _check_member(member, source)
    if sum(member.file_size for member in members) > LARGEST:
        raise DataError(f"{source} must not unpack to more than {LARGEST} bytes. {_MEND}")
    return members


def _check_member(member: zipfile.ZipInfo, source: str) -> None:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    has_drive = not name.parts or ":" in name.parts[0]
    if name.is_absolute() or ".." in name.parts or has_drive:
        raise DataError(
            f"{source} must hold paths within its own folder only. "
            f"Found `{member.filename}`. Do not use it."
        )
