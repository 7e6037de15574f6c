"""Market-1501 v15.09.15: persons in six cameras (DESIGN.md 4).

Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015.

The gallery consists of detected boxes. Identity `-1` is junk, which the protocol ignores; `0000` is
a distractor, which it keeps. The published counts of the gallery include both, and count the
distractors as one identity.
"""

import re
from pathlib import Path

from sfsc.data.file_settings import PublishedImages
from sfsc.data.image_files import find_images, pack_images
from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import Row, Split
from sfsc.data.official import (
    Official,
    check_labels,
    hold_out_validation,
    published_counts,
)
from sfsc.data.prepared import PreparedSet

RAW = ()
"""No files to watch: the time of a folder does not tell whether its files changed."""
OFFICIAL = Official(
    "Market-1501 v15.09.15", "https://zheng-lab-anu.github.io/Project/project_reid.html"
)
FOLDERS: dict[str, Split] = {
    "bounding_box_train": "train",
    "query": "query",
    "bounding_box_test": "gallery",
}
PUBLISHED = {
    "bounding_box_train": SplitCount(751, 12_936),
    "query": SplitCount(750, 3_368),
    "bounding_box_test": SplitCount(751, 19_732),
}
CAUSES = {15_913: "a mirror without the junk images (identity -1)"}

_NAME = re.compile(r"(?P<identity>-1|\d{4})_c(?P<camera>[1-6])s\d+_\d+_\d+.*\.jpg", re.ASCII)


class Settings(PublishedImages):
    """Market-1501 v15.09.15, in `data/raw/market1501/`."""


def build(
    settings: Settings, raw_dir: Path, *, validation_fraction: float, packed: Path, threads: int = 1
) -> PreparedSet:
    """Pack the three official folders; identities and cameras keep their numbers.

    Args:
        settings: The image size, and whether the counts must be the published ones.
        raw_dir: Folder with the three official folders.
        validation_fraction: Share of the training identities held out for validation.
        packed: File of the packed images, written here.
        threads: Number of threads that decode.

    Raises:
        DataError: If the set is missing, incomplete or unreadable.
    """
    OFFICIAL.check_layout(raw_dir, list(FOLDERS))
    files = [file for folder in FOLDERS for file in _list_folder(settings, raw_dir, folder)]
    files = hold_out_validation(files, validation_fraction)
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
    return published_counts(settings.counts, PUBLISHED["query"], PUBLISHED["bounding_box_test"])


def _list_folder(settings: Settings, raw_dir: Path, folder: str) -> list[Row]:
    files = find_images(
        raw_dir, folder, FOLDERS[folder], pattern=_NAME, example="0002_c1s1_000451_03.jpg"
    )
    if FOLDERS[folder] != "gallery":
        check_labels(files, folder)
    OFFICIAL.check_counts(folder, files, PUBLISHED[folder], counts=settings.counts, causes=CAUSES)
    return files
