"""Market-1501, version 15.09.15: persons seen by six cameras (DESIGN.md 4).

Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015.

The gallery is of detected boxes: `-1` is junk, which the protocol ignores, `0000` a distractor,
which it keeps; both are counted among the published images of the gallery, as is the one
"identity" of the distractors.
"""

import re
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

RAW = ()
"""Nothing that a rule could watch: a folder's time says nothing of its files; `build` looks."""
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

_NAME = re.compile(r"(?P<identity>-1|\d{4})_c(?P<camera>[1-6])s\d+_\d+_\d+.*\.jpg")


class Settings(PublishedImages):
    """Market-1501 v15.09.15, in `data/raw/market1501/`."""


def build(
    settings: Settings, raw_dir: Path, *, validation_fraction: float, packed: Path, threads: int = 1
) -> PreparedSet:
    """Pack the three official folders; identities and cameras keep their numbers.

    Args:
        settings: Image size.
        raw_dir: Folder with the three official folders.
        validation_fraction: Share of the training identities held out for validation.
        packed: File of the packed images.
        threads: That decode.

    Raises:
        DataError: If the set is not there, not whole or not readable.
    """
    OFFICIAL.check_layout(raw_dir, list(FOLDERS))
    files = [file for folder in FOLDERS for file in _list_folder(settings, raw_dir, folder)]
    files = hold_out_validation(files, validation_fraction)
    return pack_images(files, raw_dir, packed, settings=settings, threads=threads)


def expected_counts(
    settings: Settings,
    *,
    validation_fraction: float,  # noqa: ARG001 - all sets are asked with the same call
) -> dict[Split, SplitCount]:
    """Return the published size of query and gallery."""
    return published_counts(settings, PUBLISHED["query"], PUBLISHED["bounding_box_test"])


def _list_folder(settings: Settings, raw_dir: Path, folder: str) -> list[ImageFile]:
    files = find_images(
        raw_dir, folder, FOLDERS[folder], pattern=_NAME, example="0002_c1s1_000451_03.jpg"
    )
    if FOLDERS[folder] != "gallery":
        check_labels(files, folder)
    OFFICIAL.check_counts(folder, files, PUBLISHED[folder], settings=settings, causes=CAUSES)
    return files
