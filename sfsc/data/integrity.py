"""The checks that every data set passes before it is used (DESIGN.md 4)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfsc.data.manifest import JUNK, SPLITS, Manifest, Split, pixel_digest
from sfsc.data.packed import iterate_images
from sfsc.errors import DataError


@dataclass(frozen=True)
class SplitCount:
    """The size of one split."""

    identities: int
    """Number of identities, without junk."""
    images: int


def count_splits(manifest: Manifest) -> dict[Split, SplitCount]:
    """Return the size of each split."""
    return {
        split: SplitCount(len(manifest.identities(split)), len(manifest.rows(split)))
        for split in SPLITS
    }


def check_packing(manifest: Manifest, images: NDArray[np.uint8]) -> None:
    """Check that there is one image per row of the manifest.

    Raises:
        DataError: If the shape, type or number of the images is wrong.
    """
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 4 or shape[3] not in (1, 3):
        raise DataError(
            "Packed images must be uint8 of shape (N, H, W, 1 or 3). "
            f"Found {images.dtype} of shape {shape}. Prepare the data set again."
        )
    if len(images) != len(manifest):
        raise DataError(
            "A prepared set must hold one image per row of its manifest. "
            f"Found {len(images)} images, {len(manifest)} rows. Prepare the data set again."
        )


def check_counts(manifest: Manifest, expected: Mapping[Split, SplitCount]) -> None:
    """Check the size of splits against that of the published data set.

    Raises:
        DataError: If a split has another size.
    """
    found = count_splits(manifest)
    for split, count in expected.items():
        if found[split] != count:
            raise DataError(
                f"Split `{split}` must have {count.identities} identities and {count.images} "
                f"images. Found {found[split].identities} and {found[split].images}."
            )


def check_splits(manifest: Manifest) -> None:
    """Check that no split is empty and that training, validation and test share no identity.

    Query and gallery share the identities of the test.

    Raises:
        DataError: If a split is empty, an identity is in two parts, or a part other than the
            gallery has junk.
    """
    part_of: dict[int, str] = {}
    for split in SPLITS:
        _check_split(manifest, split)
        part = split if split in ("train", "validation") else "test"
        for identity in manifest.identities(split).tolist():
            other = part_of.setdefault(identity, part)
            if other != part:
                raise DataError(
                    "Train, validation and test identities must be disjoint. "
                    f"Found identity {identity} in {other} and {part}."
                )


def _check_split(manifest: Manifest, split: Split) -> None:
    rows = manifest.rows(split)
    if len(rows) == 0:
        raise DataError(f"Split `{split}` must have images. Found none.")
    if split != "gallery" and JUNK in manifest.identity[rows]:
        raise DataError(
            f"Only the gallery may have junk (identity {JUNK}). Found some in split `{split}`."
        )


def check_positives(manifest: Manifest) -> None:
    """Check that each query has an image of its identity from another camera in the gallery.

    Raises:
        DataError: If a query has none.
    """
    cameras_of = _cameras_of(manifest, "gallery")
    for row in manifest.rows("query").tolist():
        cameras = cameras_of.get(int(manifest.identity[row]), set())
        if not cameras - {int(manifest.camera[row])}:
            raise DataError(
                "Each query must have a gallery image of its identity from another camera. "
                f"Found none for query `{manifest.path[row]}`."
            )


def check_validation(manifest: Manifest) -> None:
    """Check that each validation identity is seen by two cameras or more.

    Each validation image is a query against all others of the split, without those of its own
    identity and camera: with one camera an identity would have no positive.

    Raises:
        DataError: If an identity has one camera only.
    """
    for identity, cameras in _cameras_of(manifest, "validation").items():
        if len(cameras) == 1:
            raise DataError(
                "Each validation identity must have images of at least two cameras. "
                f"Found identity {identity} with camera {min(cameras)} alone."
            )


def _cameras_of(manifest: Manifest, split: Split) -> dict[int, set[int]]:
    """Return the cameras of each identity of a split."""
    cameras: dict[int, set[int]] = {}
    for row in manifest.rows(split).tolist():
        cameras.setdefault(int(manifest.identity[row]), set()).add(int(manifest.camera[row]))
    return cameras


def check_digests(manifest: Manifest, images: NDArray[np.uint8]) -> None:
    """Check that each image has the digest that the manifest states.

    Raises:
        DataError: If an image was altered.
    """
    found = iterate_images(images)
    for image, digest, path in zip(found, manifest.digest, manifest.path, strict=True):
        if pixel_digest(image) != digest:
            raise DataError(
                f"Image `{path}` must have the digest that the manifest states ({digest}). "
                "Found another: it was altered. Prepare the data set again."
            )


def check_duplicates(manifest: Manifest) -> None:
    """Check that no image is in two splits, except copies that the protocol removes.

    A query may also be in the gallery, as in VeRi-776, with the same identity and camera or as
    junk: the protocol then removes it from its own ranking.

    Raises:
        DataError: If two splits share an image, pixel for pixel.
    """
    copies: dict[str, list[int]] = {}
    for row, digest in enumerate(manifest.digest.tolist()):
        others = copies.setdefault(digest, [])
        for other in others:
            if manifest.split[other] != manifest.split[row] and not _is_removed(
                manifest, other, row
            ):
                raise DataError(
                    "No image may be in two splits. "
                    f"Found `{manifest.path[other]}` in {manifest.split[other]} and, "
                    f"pixel for pixel the same, `{manifest.path[row]}` in {manifest.split[row]}."
                )
        others.append(row)


def _is_removed(manifest: Manifest, *rows: int) -> bool:
    """Return whether two rows are a query and a gallery image that the protocol removes."""
    pair = list(rows)
    if set(manifest.split[pair]) != {"query", "gallery"}:
        return False
    is_same = len(set(manifest.identity[pair])) == len(set(manifest.camera[pair])) == 1
    return is_same or JUNK in manifest.identity[pair]
