"""The packed form of a data set and the integrity checks that every set passes (DESIGN.md 4).

A prepared set is a folder:

    manifest.csv        path, identity, camera, split, digest; row i is image i
    images.npy          uint8 (N, H, W, C), memory-mapped by the jobs that read it
    summary.json        counts, settings and the digests of the two files above; written last
    contact_sheet.png   identities in rows, cameras in columns
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfsc.data.manifest import JUNK, SPLITS, Manifest, Split, pixel_digest
from sfsc.errors import DataError

MANIFEST = "manifest.csv"
IMAGES = "images.npy"
SUMMARY = "summary.json"
CONTACT_SHEET = "contact_sheet.png"
FILES = (MANIFEST, IMAGES, CONTACT_SHEET, SUMMARY)
"""All files of a prepared set; the summary is last because it vouches for the others."""


@dataclass(frozen=True)
class SplitCount:
    """Size of one split."""

    identities: int
    images: int


@dataclass(frozen=True)
class PreparedSet:
    """A data set as every later stage reads it."""

    manifest: Manifest
    images: NDArray[np.uint8]
    """(N, H, W, C), C = 1 or 3."""

    @classmethod
    def open(cls, folder: Path) -> "PreparedSet":
        """Open a prepared set, its images memory-mapped.

        Reads the manifest and the header of the images; `check` reads everything.

        Args:
            folder: A folder written by `sfsc prepare`.

        Raises:
            DataError: If a file is missing, damaged or does not fit the others.
        """
        manifest = Manifest.load(folder / MANIFEST)
        found = file_digest(folder / MANIFEST)
        expected = _read_summary(folder / SUMMARY)
        if found != expected:
            msg = (
                f"{folder / MANIFEST} must be the file that {SUMMARY} describes (SHA-256 {expected}). "
                f"Found SHA-256 {found}. Prepare the data set again."
            )
            raise DataError(msg)
        opened = cls(manifest, _map_images(folder / IMAGES))
        opened.check_packing()
        return opened

    def counts(self) -> dict[Split, SplitCount]:
        """Return the number of identities (junk left out) and images of each split."""
        return {
            split: SplitCount(len(self.manifest.identities(split)), len(self.manifest.rows(split)))
            for split in SPLITS
        }

    def check(self) -> None:
        """Check everything that training and evaluation rely on.

        Raises:
            DataError: On the first contract that the set breaks.
        """
        self.check_packing()
        check_splits(self.manifest)
        check_positives(self.manifest)
        check_digests(self)
        check_duplicates(self.manifest)

    def check_packing(self) -> None:
        """Check that there is one image per row of the manifest.

        Raises:
            DataError: If shape, type or number of the images are wrong.
        """
        shape = self.images.shape
        if self.images.dtype != np.uint8 or len(shape) != 4 or shape[3] not in (1, 3):  # noqa: PLR2004
            msg = f"Images must be uint8 of shape (N, H, W, 1 or 3). Found {self.images.dtype} of shape {shape}."
            raise DataError(msg)
        if shape[0] != len(self.manifest):
            msg = (
                "A prepared set must hold one image per row of its manifest. "
                f"Found {shape[0]} images, {len(self.manifest)} rows. Prepare the data set again."
            )
            raise DataError(msg)


def check_counts(prepared: PreparedSet, expected: Mapping[Split, SplitCount]) -> None:
    """Check the size of each split against the published table of the data set.

    Raises:
        DataError: If a split has another size.
    """
    for split, count in prepared.counts().items():
        if count != expected[split]:
            msg = (
                f"Split `{split}` must have {expected[split].identities} identities and "
                f"{expected[split].images} images. Found {count.identities} and {count.images}."
            )
            raise DataError(msg)


def check_splits(manifest: Manifest) -> None:
    """Check that no split is empty and that training, validation and test share no identity.

    Query and gallery are the two halves of the test and share their identities.

    Raises:
        DataError: If a split is empty, an identity is in two parts, or a part other than the gallery has junk.
    """
    part_of: dict[int, str] = {}
    for split in SPLITS:
        rows = manifest.rows(split)
        if len(rows) == 0:
            msg = f"Split `{split}` must have images. Found none."
            raise DataError(msg)
        if split != "gallery" and JUNK in manifest.identity[rows]:
            msg = f"Only the gallery may have junk (identity {JUNK}). Found some in split `{split}`."
            raise DataError(msg)
        part = split if split in ("train", "validation") else "test"
        for identity in manifest.identities(split).tolist():
            other = part_of.setdefault(identity, part)
            if other != part:
                msg = (
                    "Train, validation and test identities must be disjoint. "
                    f"Found identity {identity} in {other} and {part}."
                )
                raise DataError(msg)


def check_positives(manifest: Manifest) -> None:
    """Check that each query has an image of its identity from another camera in the gallery.

    Raises:
        DataError: If a query has none.
    """
    cameras_of: dict[int, set[int]] = {}
    for row in manifest.rows("gallery").tolist():
        cameras_of.setdefault(int(manifest.identity[row]), set()).add(int(manifest.camera[row]))
    for row in manifest.rows("query").tolist():
        cameras = cameras_of.get(int(manifest.identity[row]), set())
        if not cameras - {int(manifest.camera[row])}:
            msg = (
                "Each query must have a gallery image of its identity from another camera. "
                f"Found none for query `{manifest.path[row]}`."
            )
            raise DataError(msg)


def check_digests(prepared: PreparedSet) -> None:
    """Check that each image has the digest that the manifest gives it.

    Raises:
        DataError: If an image was altered.
    """
    manifest = prepared.manifest
    for image, digest, path in zip(prepared.images, manifest.digest, manifest.path, strict=True):
        if pixel_digest(image) != digest:
            msg = (
                f"Image `{path}` must have the digest that the manifest gives it ({digest}). "
                "Found another: it was altered. Prepare the data set again."
            )
            raise DataError(msg)


def check_duplicates(manifest: Manifest) -> None:
    """Check that no image is in two splits.

    Raises:
        DataError: If two splits share an image, pixel for pixel.
    """
    seen: dict[str, int] = {}
    for row, digest in enumerate(manifest.digest.tolist()):
        first = seen.setdefault(digest, row)
        if manifest.split[first] != manifest.split[row]:
            msg = (
                "No image may be in two splits. "
                f"Found `{manifest.path[first]}` in {manifest.split[first]} and, "
                f"pixel for pixel the same, `{manifest.path[row]}` in {manifest.split[row]}."
            )
            raise DataError(msg)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal.

    Raises:
        DataError: If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        msg = f"{path} must be a readable file. Found: {error.strerror}."
        raise DataError(msg) from error


def _read_summary(path: Path) -> str:
    """Return the digest that the summary gives to the manifest."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["manifest_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} must be the summary of a prepared set. Found: {error}. Prepare the data set again."
        raise DataError(msg) from error


def _map_images(path: Path) -> NDArray[np.uint8]:
    try:
        images: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        msg = f"{path} must be a readable numpy array. Found: {error}. Prepare the data set again."
        raise DataError(msg) from error
    return images
