"""The packed form of a data set (DESIGN.md 4).

A prepared set is a folder:

    manifest.csv        path, identity, camera, split, digest; row i is image i
    images.npy          uint8 (N, H, W, C), memory-mapped by the jobs that read it
    summary.json        counts, settings and the digests of the two files above; written last
    contact_sheet.png   identities in rows, cameras in columns
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfsc.data.integrity import (
    check_digests,
    check_duplicates,
    check_labels,
    check_packing,
)
from sfsc.data.manifest import Manifest
from sfsc.data.packed import open_images
from sfsc.errors import DataError

MANIFEST = "manifest.csv"
IMAGES = "images.npy"
SUMMARY = "summary.json"
CONTACT_SHEET = "contact_sheet.png"
JOURNAL = "images.journal"
"""Beside the images of a set that is not finished (see `sfsc.data.packing`)."""
FILES = (MANIFEST, IMAGES, CONTACT_SHEET, SUMMARY)
"""All files of a prepared set. The summary is last: it vouches for the others."""


@dataclass(frozen=True)
class PreparedSet:
    """A data set as all later stages read it."""

    manifest: Manifest
    images: NDArray[np.uint8]
    """(N, H, W, C), C = 1 or 3."""

    @classmethod
    def open(cls, folder: Path) -> "PreparedSet":
        """Open a prepared set, its images memory-mapped.

        This reads the manifest and the header of the images; `check` reads all.

        Args:
            folder: A folder written by `sfsc prepare`.

        Raises:
            DataError: If a file is missing or damaged or does not match the others.
        """
        manifest = Manifest.load(folder / MANIFEST)
        found = file_digest(folder / MANIFEST)
        expected = _read_summary(folder / SUMMARY)
        if found != expected:
            raise DataError(
                f"{folder / MANIFEST} must be the file that {SUMMARY} describes "
                f"(SHA-256 {expected}). Found SHA-256 {found}. Prepare the data set again."
            )
        opened = cls(manifest, _map_images(folder / IMAGES))
        check_packing(manifest, opened.images)
        return opened

    def check(self) -> None:
        """Check everything that training and evaluation rely on (see `sfsc.data.integrity`).

        Raises:
            DataError: If the set fails a check.
        """
        check_packing(self.manifest, self.images)
        check_labels(self.manifest)
        check_digests(self.manifest, self.images)
        check_duplicates(self.manifest)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal.

    Raises:
        DataError: If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} must be a readable file. Found: {error.strerror}.") from error


def _read_summary(path: Path) -> str:
    """Return the digest of the manifest according to the summary."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["manifest_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} must be the summary of a prepared set. Found: {error}. "
            "Prepare the data set again."
        ) from error


def _map_images(path: Path) -> NDArray[np.uint8]:
    try:
        return open_images(path)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} must be a readable numpy array. Found: {error}. Prepare the data set again."
        ) from error
