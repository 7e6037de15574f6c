"""VeRi-776: vehicles in twenty cameras, searched image to image (DESIGN.md 4).

Liu et al., "A Deep Learning-Based Approach to Progressive Vehicle Re-identification for Urban
Surveillance", ECCV 2016.

The queries are also images of the gallery. The protocol removes each from its own ranking, because
it has the same identity and camera. The authors' `gt_index.txt` and `jk_index.txt` list the
positives and the removed images of each query; `official_junk` checks the protocol against them.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from sfsc.data.file_settings import PublishedImages
from sfsc.data.image_files import find_images, pack_images
from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import Row, Split, parse_integer
from sfsc.data.official import (
    Official,
    check_labels,
    hold_out_validation,
    published_counts,
    read_lines,
)
from sfsc.data.prepared import PreparedSet
from sfsc.errors import DataError

RAW = ()
"""No files to watch: the time of a folder does not tell whether its files changed."""
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

_NAME = re.compile(r"(?P<identity>\d{4})_c(?P<camera>0(?:0[1-9]|1\d|20))_\d+_\d+\.jpg", re.ASCII)


class Settings(PublishedImages):
    """VeRi-776, in `data/raw/veri776/`."""

    official_junk: bool
    """Whether to check the positives and the removed images of each query against the authors'
    `gt_index.txt` and `jk_index.txt`."""


def build(
    settings: Settings, raw_dir: Path, *, validation_fraction: float, packed: Path, threads: int = 1
) -> PreparedSet:
    """Pack the three official folders; identities and cameras keep their numbers.

    Args:
        settings: The image size, and what to check.
        raw_dir: Folder with the three official folders and, to check the junk, the two lists.
        validation_fraction: Share of the training identities held out for validation.
        packed: File of the packed images, written here.
        threads: Number of threads that decode.

    Raises:
        DataError: If the set is missing, incomplete or unreadable, or if the protocol removes other
            images than the official junk.
    """
    lists = [POSITIVES, JUNK_FILE] if settings.official_junk else []
    OFFICIAL.check_layout(raw_dir, [*FOLDERS, *lists])
    parts = {folder: _list_folder(settings, raw_dir, folder) for folder in FOLDERS}
    if settings.official_junk:
        _check_junk(raw_dir, parts["image_query"], parts["image_test"])
    files = hold_out_validation(
        [file for part in parts.values() for file in part], validation_fraction
    )
    return pack_images(
        files,
        raw_dir,
        packed,
        height=settings.image_height,
        width=settings.image_width,
        threads=threads,
    )


def expected_counts(
    settings: Settings,
    *,
    validation_fraction: float,  # noqa: ARG001 - the signature is the same for all sets
) -> dict[Split, SplitCount]:
    """Return the published size of query and gallery."""
    return published_counts(settings.counts, PUBLISHED["image_query"], PUBLISHED["image_test"])


def _list_folder(settings: Settings, raw_dir: Path, folder: str) -> list[Row]:
    files = find_images(
        raw_dir, folder, FOLDERS[folder], pattern=_NAME, example="0001_c001_00016450_0.jpg"
    )
    check_labels(files, folder)
    OFFICIAL.check_counts(folder, files, PUBLISHED[folder], counts=settings.counts)
    return files


def _check_junk(raw_dir: Path, query: Sequence[Row], gallery: Sequence[Row]) -> None:
    """Check that the lists agree with the protocol on every query (DESIGN.md 3)."""
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
                    f"{raw_dir / name} must list the gallery images of the query's identity: "
                    f"those of its own camera in {JUNK_FILE}, the others in {POSITIVES}. Found "
                    f"{len(official)} for query `{file.path}`, which has {len(ours)}. "
                    "Get the lists again or set `official_junk: false`."
                )


def _read_indices(path: Path, *, n_query: int, n_gallery: int) -> list[set[int]]:
    """Return the gallery rows in the line of each query; the file counts them from 1."""
    lines = [line.split() for line in read_lines(path)]
    wrong = [
        f" and the number `{text[:80]}`"
        for line in lines
        for text in line
        if parse_integer(text, least=1, largest=n_gallery) is None
    ]
    if len(lines) != n_query or wrong:
        raise DataError(
            f"{path} must have a line for each of {n_query} queries, of numbers from 1 to "
            f"{n_gallery}. Found {len(lines)} lines{''.join(wrong[:1])}."
        )
    return [{int(text) - 1 for text in line} for line in lines]
