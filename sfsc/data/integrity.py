"""The checks that every data set passes before it is used (DESIGN.md 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sfsc.data.manifest import JUNK, SPLITS, Manifest, Split, pixel_digest
from sfsc.data.mistakes import name_some, raise_mistakes
from sfsc.data.packed import iterate_images
from sfsc.errors import DataError

Label = tuple[str, int, int]
"""Split, identity and camera of an image."""


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


def check_labels(manifest: Manifest) -> None:
    """Check everything about a set that does not need its pixels.

    Raises:
        DataError: If there are mistakes; it lists all of them.
    """
    mistakes = [*find_clashes(manifest, manifest.path.tolist()), *find_gaps(manifest)]
    raise_mistakes("The data set", mistakes)


def find_clashes(manifest: Manifest, files: Sequence[str]) -> list[str]:
    """Return a sentence about each kind of label that must not occur.

    Train, validation and test share no identity; query and gallery are the two halves of the test.
    Only the gallery has junk. An image is listed once in a split.

    Args:
        manifest: The table of N images.
        files: The file of each image.
    """
    mistakes = [
        *_find_shared_identities(manifest),
        *_find_repeats(manifest, files),
        *find_copies(manifest, files),
    ]
    splits = [
        split
        for split in ("train", "validation", "query")
        if JUNK in manifest.identity[manifest.split == split]
    ]
    if splits:
        mistakes.append(
            f"Only the gallery may have junk (identity {JUNK}). "
            f"Found some in split `{'`, `'.join(splits)}`."
        )
    return mistakes


def _find_shared_identities(manifest: Manifest) -> list[str]:
    """Return the sentence about identities that two of train, validation and test share, if any."""
    part_of: dict[int, str] = {}
    shared = []
    for split in SPLITS:
        part = split if split in ("train", "validation") else "test"
        for identity in manifest.identities(split).tolist():
            other = part_of.setdefault(identity, part)
            if other != part:
                shared.append(f"identity {identity} in {other} and {part}")
    rule = "Train, validation and test identities must be disjoint."
    return [f"{rule} Found {name_some(list(dict.fromkeys(shared)))}."] if shared else []


def _find_repeats(manifest: Manifest, files: Sequence[str]) -> list[str]:
    """Return the sentence about files that are listed twice in a split, if any."""
    first: dict[tuple[str, str], str] = {}
    repeats = []
    paths, splits = manifest.path.tolist(), manifest.split.tolist()
    for file, path, split in zip(files, paths, splits, strict=True):
        other = first.setdefault((file, split), path)
        if other is not path:
            names = f"`{path}` twice" if other == path else f"`{other}` and `{path}`"
            repeats.append(f"{names} in {split}")
    rule = "Each image must be listed once in a split."
    return [f"{rule} Found {name_some(repeats)}."] if repeats else []


def find_copies(manifest: Manifest, keys: Sequence[str]) -> list[str]:
    """Return the sentence about images that are in two splits, if any.

    A query may also be in the gallery, as in VeRi-776, with the same identity and camera or as
    junk: the protocol then removes it from its own ranking.

    Args:
        manifest: The table of N images.
        keys: A key of each image; two with the same key are the same image.
    """
    columns = manifest.split.tolist(), manifest.identity.tolist(), manifest.camera.tolist()
    labels: list[Label] = list(zip(*columns, strict=True))
    rows_of: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows_of.setdefault(key, []).append(row)
    copies = []
    for rows in rows_of.values():
        pairs = combinations(rows, 2) if len({labels[row][0] for row in rows}) > 1 else ()
        pair = next((p for p in pairs if not _may_be_copies(*(labels[row] for row in p))), None)
        if pair:
            places = [f"`{manifest.path[row]}` in {labels[row][0]}" for row in pair]
            copies.append(" and ".join(places))
    rule = "No image may be in two splits."
    return [f"{rule} Found the same image as {name_some(copies)}."] if copies else []


def _may_be_copies(one: Label, other: Label) -> bool:
    """Return whether two images are in one split, or the protocol removes one for the other."""
    if {one[0], other[0]} != {"query", "gallery"}:
        return one[0] == other[0]
    return one[1:] == other[1:] or JUNK in {one[1], other[1]}


def find_gaps(manifest: Manifest, *, advice: str = "") -> list[str]:
    """Return a sentence about each kind of image that is missing.

    Each split has images, and training at least two identities. Each query has a positive, and each
    validation identity two cameras. A set of a single camera has none of these.

    Args:
        manifest: The table.
        advice: What to do if cameras are missing, a sentence after a space.
    """
    cameras = np.unique(manifest.camera)
    if len(cameras) == 1:
        rule = "The images must be from at least two cameras"
        reason = "a ranking leaves out the gallery images of the query's identity and camera"
        return [f"{rule}: {reason}. Found camera {cameras[0]} alone.{advice}"]
    rule = "Split `train` must have at least 2 identities, without those held out for validation."
    count = len(manifest.identities("train"))
    few = [f"{rule} Found {count}."] * (count < 2)
    empty = [
        f"Split `{split}` must have images. Found none."
        for split in ("query", "gallery")
        if not (manifest.split == split).any()
    ]
    return [
        *few,
        *empty,
        *_find_lost_queries(manifest, advice),
        *_find_validation_gaps(manifest, advice),
    ]


def _find_lost_queries(manifest: Manifest, advice: str) -> list[str]:
    """Return the sentence about queries without a gallery image from another camera, if any."""
    cameras_of = _cameras_of(manifest, "gallery")
    lost = [
        f"`{manifest.path[row]}`"
        for row in manifest.rows("query").tolist()
        if not cameras_of.get(int(manifest.identity[row]), set()) - {int(manifest.camera[row])}
    ]
    rule = "Each query must have a gallery image of its identity from another camera."
    return [f"{rule} Found none for query {name_some(lost)}.{advice}"] if lost else []


def _find_validation_gaps(manifest: Manifest, advice: str) -> list[str]:
    """Return the sentence about a validation split that is empty or lacks positives, if any.

    Each validation image is a query against all others of the split, without those of its own
    identity and camera: with one camera an identity would have no positive.
    """
    cameras_of = _cameras_of(manifest, "validation")
    if not cameras_of:
        if any(len(seen) > 1 for seen in _cameras_of(manifest, "train").values()):
            return ["Split `validation` must have images. Found none."]
        cause = "no training identity has images of two cameras"
        return [f"Split `validation` must have images. Found none: {cause}.{advice}"]
    single = [
        f"identity {identity} with camera {min(seen)} alone"
        for identity, seen in cameras_of.items()
        if len(seen) == 1
    ]
    rule = "Each validation identity must have images of at least two cameras."
    return [f"{rule} Found {name_some(single)}.{advice}"] if single else []


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
    """Check that no image is in two splits, pixel for pixel (see `find_copies`).

    Raises:
        DataError: If two splits share an image.
    """
    raise_mistakes("The data set", find_copies(manifest, manifest.digest.tolist()))
