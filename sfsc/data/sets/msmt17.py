"""MSMT17, version 1 or 2: persons in fifteen cameras (DESIGN.md 4).

Wei et al., "Person Transfer GAN to Bridge Domain Gap for Person Re-Identification", CVPR 2018.
In V2 the faces are blurred, and folders and files have other names.

Four lists with lines "path identity" define the split. `list_val.txt` holds images of training
identities, so it is not a validation split in the sense of this project. Whether to train on it is
a setting, because published results differ in it. Training and test identities both count from 0.
"""

import logging
import re
from pathlib import Path
from typing import Literal

from sfsc.data.file_settings import PublishedImages
from sfsc.data.image_files import pack_images
from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import Row, Split
from sfsc.data.official import Official, hold_out_validation, published_counts, read_lines
from sfsc.data.prepared import PreparedSet
from sfsc.errors import DataError

LOGGER = logging.getLogger(__name__)
RAW = ()
"""No files to watch: the time of a folder does not tell whether its files changed."""
OFFICIAL = Official("MSMT17", "its authors on request (http://www.pkuvmc.com/dataset.html)")
FOLDERS = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}
"""Folders of the training and test images."""
LISTS: dict[str, Split] = {
    "list_train.txt": "train",
    "list_val.txt": "train",
    "list_query.txt": "query",
    "list_gallery.txt": "gallery",
}
TRAIN, TRAIN_AND_VAL = SplitCount(1_041, 30_248), SplitCount(1_041, 32_621)
QUERY, GALLERY = SplitCount(3_060, 11_659), SplitCount(3_060, 82_161)
FIRST_TEST_IDENTITY = 1_041
"""Added to the test identities, which the lists count from 0 again."""

_LINE = re.compile(
    r"(?P<path>(?P<folder>\d{4})/(?P<name>\d{4})_\d+_(?P<camera>0[1-9]|1[0-5])_[^/ ]+\.jpe?g)"
    r" (?P<identity>\d{1,4})",
    re.ASCII,
)


class Settings(PublishedImages):
    """MSMT17, in `data/raw/msmt17/`."""

    version: Literal["V1", "V2"]
    """V2 has blurred faces and folders `mask_train_v2` and `mask_test_v2`."""
    merge_validation: bool
    """Whether to train on the 2,373 images of `list_val.txt`, which show training identities. There
    are 32,621 training images with them and 30,248 without; results of the two do not compare."""


def build(
    settings: Settings, raw_dir: Path, *, validation_fraction: float, packed: Path, threads: int = 1
) -> PreparedSet:
    """Pack the listed images. Training identities are 0 to 1040, test identities follow.

    Args:
        settings: The image size, the version, and whether to train on `list_val.txt`.
        raw_dir: Folder with the two folders of images and the four lists.
        validation_fraction: Share of the training identities held out for validation.
        packed: File of the packed images, written here.
        threads: Number of threads that decode.

    Raises:
        DataError: If the set is missing, incomplete, unreadable or of the other version.
    """
    _check_layout(settings, raw_dir)
    parts = {name: _read_list(settings, raw_dir, name) for name in LISTS}
    train, merged = parts["list_train.txt"], settings.merge_validation
    if merged:
        train = [*train, *parts["list_val.txt"]]
    LOGGER.warning(
        "MSMT17 %s, validation %s: the %d images of list_val.txt are %s. Compare only with "
        "results of the same choice",
        settings.version,
        "MERGED" if merged else "NOT MERGED",
        len(parts["list_val.txt"]),
        "trained on" if merged else "left out",
    )
    query, gallery = parts["list_query.txt"], parts["list_gallery.txt"]
    for part, files, published in (
        ("Training" + " with validation" * merged, train, TRAIN_AND_VAL if merged else TRAIN),
        ("list_query.txt", query, QUERY),
        ("list_gallery.txt", gallery, GALLERY),
    ):
        OFFICIAL.check_counts(part, files, published, counts=settings.counts)
    files = hold_out_validation([*train, *query, *gallery], validation_fraction)
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
    return published_counts(settings.counts, QUERY, GALLERY)


def _check_layout(settings: Settings, raw_dir: Path) -> None:
    other = "V1" if settings.version == "V2" else "V2"
    is_other = (raw_dir / FOLDERS[other][0]).exists()
    hint = f" Found `{FOLDERS[other][0]}`: this is {other}, set `version: {other}`." * is_other
    OFFICIAL.check_layout(raw_dir, [*FOLDERS[settings.version], *LISTS], hint=hint)


def _read_list(settings: Settings, raw_dir: Path, name: str) -> list[Row]:
    """Return the images of a list, in its order.

    Raises:
        DataError: If a line is not a path and an identity, or a file is missing.
    """
    split = LISTS[name]
    folder = FOLDERS[settings.version][split != "train"]
    first_identity = 0 if split == "train" else FIRST_TEST_IDENTITY
    files = []
    for number, line in enumerate(read_lines(raw_dir / name), start=1):
        match = _LINE.fullmatch(line.strip(" "))
        if match is None or not int(match["folder"]) == int(match["name"]) == int(
            match["identity"]
        ):
            raise DataError(
                f"{raw_dir / name}, line {number}, must be a path and its identity, such as "
                f"`0000/0000_000_01_0303morning_0008_0.jpg 0`. Found `{line}`."
            )
        path, identity = f"{folder}/{match['path']}", first_identity + int(match["identity"])
        files.append(Row(path, identity, int(match["camera"]), split))
    _check_there(raw_dir, name, folder, files)
    return files


def _check_there(raw_dir: Path, name: str, folder: str, files: list[Row]) -> None:
    missing = [file.path for file in files if not (raw_dir / file.path).is_file()]
    if missing:
        raise DataError(
            f"{raw_dir / folder} must hold every image of {name}. Found "
            f"{len(missing)} of {len(files)} missing, such as `{missing[0]}`. Likely cause: "
            "lists of the other version (V1 lists on V2 folders) or a mirror with missing images. "
            f"Get folders and lists of one version from {OFFICIAL.source}."
        )
