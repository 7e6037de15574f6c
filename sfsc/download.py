"""Getting a published file: from a mirror on this machine, or from its address."""

import http.client
import shutil
import urllib.request
from pathlib import Path

from sfsc.errors import DataError

TIMEOUT = 30.0
"""Seconds to wait for a server."""


def obtain(path: Path, *, url: str, mirrored: Path | None, what: str) -> str:
    """Write a published file; its content is still to be verified.

    Args:
        path: The file, written here.
        url: Its address.
        mirrored: Its copy in a mirror; None downloads it.
        what: Its name in messages.

    Returns:
        Where it came from.

    Raises:
        DataError: If it cannot be read or reached.
    """
    if mirrored is None:
        _download(url, path, what)
        return url
    try:
        shutil.copyfile(mirrored, path)
    except OSError as error:
        raise DataError(
            f"{mirrored} must be a readable file of the mirror. Found: {error.strerror}."
        ) from error
    return str(mirrored)


def _download(url: str, path: Path, what: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response, path.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(response, file)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"{url} must be reachable to fetch {what}. Found: {error}. "
            "Try again, or set SFSC_MIRROR to a folder that holds it."
        ) from error
