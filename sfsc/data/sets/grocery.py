"""Grocery Store Dataset: 81 products, photographed with phones in shops (DESIGN.md 4).

Klasson, Zhang, Kjellström, "A Hierarchical Grocery Store Image Dataset with Visual and Semantic
Labels", WACV 2019; https://github.com/marcusklasson/GroceryStoreDataset, MIT licence.

Every product is in each of the published folds, so a split by fold would leak. The split here is by
product: those with an even class number are for training, those with an odd one for the test. No
camera is recorded; the fold stands for it. So the queries are the test fold's photographs of the
test products, the gallery those of the folds `train` and `val`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field

from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import Row, Split
from sfsc.data.official import hold_out_validation
from sfsc.data.photographs import pack_photographs
from sfsc.data.prepared import PreparedSet
from sfsc.data.snapshot import Snapshot
from sfsc.settings.section import Part


class Settings(Part):
    """Photographs of groceries: a product is an identity (DESIGN.md 4)."""

    image_size: int = Field(default=96, ge=32, le=348)
    """Side of the square images, pixels. The short side of a photograph (348 pixels) is resized to
    it; what the long side has more is cut off, half of it at each end."""


CREDIT = (
    "Grocery Store Dataset, copyright (c) 2019 Marcus Klasson, MIT licence, "
    "github.com/marcusklasson/GroceryStoreDataset"
)
CAMERA = "a camera is a fold of the published split, as no device is recorded"
SNAPSHOT = Snapshot(
    dataset="grocery",
    repository="marcusklasson/GroceryStoreDataset",
    commit="fc80ba90f803d79d0383df52c5a4ac5de99ff6fc",
    used=re.compile(r"dataset/(?:train|val|test)(?:\.txt|/.+\.jpg)"),
    digest="3ecf1f4ef5c05e9c9e37b59e60e072f06c4ec0335b5c8b0cc53eb187e9481bf3",
)
RAW = (SNAPSHOT.archive,)
"""The archive, below `data/raw/grocery/`."""
fetch = SNAPSHOT.fetch
FOLDS = {"train": 0, "val": 0, "test": 1}
"""The camera that stands for each fold."""
QUERY, GALLERY = SplitCount(40, 1_197), SplitCount(40, 1_443)


def build(
    settings: Settings, raw_dir: Path, *, validation_fraction: float, packed: Path, threads: int = 1
) -> PreparedSet:
    """Pack the photographs in the order of the published lists; products keep their numbers.

    Args:
        settings: The image size.
        raw_dir: Folder with the archive.
        validation_fraction: Share of the training products held out for validation.
        packed: File of the packed images, written here.
        threads: Number of threads that decode.

    Raises:
        DataError: If the archive is missing or does not hold the published files.
    """
    files = SNAPSHOT.read(raw_dir)
    rows = hold_out_validation(_list(files), validation_fraction)
    return pack_photographs(rows, files, packed, side=settings.image_size, threads=threads)


def expected_counts(
    settings: Settings,  # noqa: ARG001 - the signature is the same for all sets
    *,
    validation_fraction: float,  # noqa: ARG001
) -> dict[Split, SplitCount]:
    """Return the size of query and gallery."""
    return {"query": QUERY, "gallery": GALLERY}


def _list(files: Mapping[str, bytes]) -> Iterator[Row]:
    """Yield the photographs of each fold's list, whose lines are path, class and coarse class."""
    for fold, camera in FOLDS.items():
        for line in files[f"dataset/{fold}.txt"].decode().splitlines():
            path, product, _ = line.split(", ")
            tested: Split = "query" if fold == "test" else "gallery"
            split: Split = tested if int(product) % 2 else "train"
            yield Row(f"dataset/{path}", int(product), camera, split)
