"""VeRi-776: vehicles seen by twenty cameras, image to image (DESIGN.md 4).

Liu et al., "A Deep Learning-Based Approach to Progressive Vehicle Re-identification for Urban
Surveillance", ECCV 2016.

The queries are images of the gallery, too: the protocol removes each from its own ranking, as it is
of the same identity and camera. The authors' `gt_index.txt` and `jk_index.txt` say the same with
numbers, which `official_junk` holds the protocol to.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from sfsc.data.file_settings import PublishedImages
from sfsc.data.image_files import ImageFile, find_images, pack_images
from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import Split
from sfsc.data.official import (
    Official,
    check_labels,
    hold_out_validation,
    published_counts,
)
from sfsc.data.prepared import PreparedSet
from sfsc.errors import DataError

RAW = ()
"""Nothing that a rule could watch: a folder's time says nothing of its files; `build` looks."""
OFFICIAL = Official("VeRi-776", "its authors by e-mail (https://vehiclereid.github.io/VeRi)")
FOLDERS: dict[str, Split] = {
    "image_train": "train",
    "image_query": "query",
    "image_test": "gallery",
}
PUBLISHED = {
    "image_train": SplitCount(576, 37_778),
    "image_query": SplitCount(200, 1_678),
    "image_test": SplitCount(200, 11_579),
}
POSITIVES, JUNK_FILE = "gt_index.txt", "jk_index.txt"

_NAME = re.compile(r"(?P<identity>\d{4})_c(?P<camera>0(?:0[1-9]|1\d|20))_\d+_\d+\.jpg")


class Settings(PublishedImages):
    """VeRi-776, in `data/raw/veri776/`."""

    official_junk: bool
    """Whether the authors' `gt_index.txt` and `jk_index.txt` must say of each query what the
    protocol removes and what it seeks; refused where they differ."""


def build(
    settings: Settings, raw_dir: Path, *, validation_fraction: float, packed: Path, threads: int = 1
) -> PreparedSet:
    """Pack the three official folders; identities and cameras keep their numbers.

    Args:
        settings: Image size; whether the official junk is looked at.
        raw_dir: Folder with the three official folders and, for the junk, the two lists.
        validation_fraction: Share of the training identities held out for validation.
        packed: File of the packed images.
        threads: That decode.

    Raises:
        DataError: If the set is not there, not whole or not readable, or if the official junk is
            not what the protocol removes.
    """
    lists = [POSITIVES, JUNK_FILE] if settings.official_junk else []
    OFFICIAL.check_layout(raw_dir, [*FOLDERS, *lists])
    parts = {folder: _list_folder(settings, raw_dir, folder) for folder in FOLDERS}
    if settings.official_junk:
        _check_junk(raw_dir, parts["image_query"], parts["image_test"])
    files = hold_out_validation(
        [file for part in parts.values() for file in part], validation_fraction
    )
    return pack_images(files, raw_dir, packed, settings=settings, threads=threads)


def expected_counts(
    settings: Settings,
    *,
    validation_fraction: float,  # noqa: ARG001 - all sets are asked with the same call
) -> dict[Split, SplitCount]:
    """Return the published size of query and gallery."""
    return published_counts(settings, PUBLISHED["image_query"], PUBLISHED["image_test"])


def _list_folder(settings: Settings, raw_dir: Path, folder: str) -> list[ImageFile]:
    files = find_images(
        raw_dir, folder, FOLDERS[folder], pattern=_NAME, example="0001_c001_00016450_0.jpg"
    )
    check_labels(files, folder)
    OFFICIAL.check_counts(folder, files, PUBLISHED[folder], settings=settings)
    return files


def _check_junk(raw_dir: Path, query: Sequence[ImageFile], gallery: Sequence[ImageFile]) -> None:
    """Check that the lists name, query by query, what the protocol does (DESIGN.md 3)."""
    positives = _read_indices(raw_dir / POSITIVES, n_query=len(query), n_gallery=len(gallery))
    junk = _read_indices(raw_dir / JUNK_FILE, n_query=len(query), n_gallery=len(gallery))
    for file, official_positives, official_junk in zip(query, positives, junk, strict=True):
        own = [i for i, other in enumerate(gallery) if other.identity == file.identity]
        same = {i for i in own if gallery[i].camera == file.camera}
        for name, official, ours in (
            (JUNK_FILE, official_junk, same),
            (POSITIVES, official_positives, set(own) - same),
        ):
            if official != ours:
                raise DataError(
                    f"{raw_dir / name} must name what the protocol does: gallery images of a "
                    f"query's identity, of its own camera in {JUNK_FILE} and of others in "
                    f"{POSITIVES}. Found {len(official)} for query `{file.path}`, not the "
                    f"{len(ours)} of its identity. Get the lists anew or set `official_junk: false`."
                )


def _read_indices(path: Path, *, n_query: int, n_gallery: int) -> list[set[int]]:
    """Return the gallery rows that each query's line names; in the file they count from 1."""
    try:
        lines = [
            {int(number) - 1 for number in line.split()}
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
    except (OSError, ValueError) as error:
        raise DataError(f"{path} must hold lines of numbers. Found: {error}.") from error
    largest = max((max(line, default=0) for line in lines), default=0)
    if len(lines) != n_query or largest >= n_gallery:
        raise DataError(
            f"{path} must have a line for each of {n_query} queries, of numbers from 1 to "
            f"{n_gallery}. Found {len(lines)} lines and the number {largest + 1}."
        )
    return lines
