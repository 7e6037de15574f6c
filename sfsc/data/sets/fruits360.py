"""Fruits-360, the 3-body problem: single apples, cherries and tomatoes that turn (DESIGN.md 4).

Oltean, "Fruits-360 dataset", 2017-; https://github.com/fruits-360/fruits-360-3-body-problem, CC
BY-SA 4.0: redistributed images keep the licence and the credit.

A fruit, filmed on white while it turns, is an identity. The axis that it turns around stands for
the camera; it is a pose and not a device. Neighbouring frames are nearly the same image, so every
tenth is used.

The published split leaks: `Test/Apple/Apple 21` is `Training/Apple/Apple Rotten 1` and
`Test/Apple/Apple 22` is `Training/Apple/Apple worm 1`, byte for byte. They are left out here, and
the split is made anew: among the fruits of a kind with at least two axes, sorted by name, every
second one is for the test. Its first axis has the queries, the others the gallery. A fruit with one
axis cannot be found from another and is for training.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import Row, Split
from sfsc.data.official import hold_out_validation
from sfsc.data.photographs import pack_photographs
from sfsc.data.prepared import PreparedSet
from sfsc.data.snapshot import Snapshot
from sfsc.settings.section import Part


class Settings(Part):
    """Fruits that turn: one fruit is an identity, its axis stands for the camera (DESIGN.md 4)."""

    image_size: int = Field(default=32, ge=16, le=100)
    """Side of the square images, pixels (100 in the archive)."""


CREDIT = (
    "Fruits-360, copyright (c) 2017- Mihai Oltean, CC BY-SA 4.0, "
    "github.com/fruits-360/fruits-360-3-body-problem; every tenth frame, resized"
)
CAMERA = "a camera is the axis that a fruit turns around: a pose, not a device"
SNAPSHOT = Snapshot(
    dataset="fruits360",
    repository="fruits-360/fruits-360-3-body-problem",
    commit="f0f029370699ac3317e66d09878cf537af67a3ae",
    used=re.compile(
        r"LICENSE"
        r"|(?:Training|(?!Test/Apple/Apple 2[12]/)Test)/[^/]+/[^/]+/(?:r[012]?_)?[0-9]*0_100\.jpg"
    ),
    digest="0a61eadf0bc80461e2ca1a3fcb43ad105400f423fffe15be428f911d33e83a60",
)
RAW = (SNAPSHOT.archive,)
"""The archive, below `data/raw/fruits360/`."""
fetch = SNAPSHOT.fetch
AXES = {None: 0, "r0": 0, "r": 1, "r1": 1, "r2": 2}
"""The camera that stands for each axis, by the prefix of a file; older recordings have others."""
QUERY, GALLERY = SplitCount(31, 939), SplitCount(31, 1_468)

_PATH = re.compile(
    r"(?:Training|Test)/(?P<kind>[^/]+)/(?P<name>[^/]+)/(?:(?P<axis>r[012]?)_)?[0-9]+_100\.jpg"
)


class Frame(NamedTuple):
    """An image, as its path tells."""

    kind: str
    """Apple, Cherry or Tomato."""
    name: str
    """Folder of the one fruit that was filmed."""
    axis: int
    path: str


def build(
    settings: Settings, raw_dir: Path, *, validation_fraction: float, packed: Path, threads: int = 1
) -> PreparedSet:
    """Pack every tenth frame; fruits are numbered by kind and name.

    Args:
        settings: The image size.
        raw_dir: Folder with the archive.
        validation_fraction: Share of the training fruits with two axes held out for validation.
        packed: File of the packed images, written here.
        threads: Number of threads that decode.

    Raises:
        DataError: If the archive is missing or does not hold the published files.
    """
    files = SNAPSHOT.read(raw_dir)
    rows = hold_out_validation(label(files), validation_fraction)
    return pack_photographs(rows, files, packed, side=settings.image_size, threads=threads)


def expected_counts(
    settings: Settings,  # noqa: ARG001 - the signature is the same for all sets
    *,
    validation_fraction: float,  # noqa: ARG001
) -> dict[Split, SplitCount]:
    """Return the size of query and gallery."""
    return {"query": QUERY, "gallery": GALLERY}


def label(paths: Iterable[str]) -> Iterator[Row]:
    """Yield identity, camera and split of each image, training and test, fruit by fruit.

    Args:
        paths: The used files; those that are no images are skipped.
    """
    frames = sorted(
        Frame(match["kind"], match["name"], AXES[match["axis"]], path)
        for path in paths
        if (match := _PATH.fullmatch(path))
    )
    seen: dict[str, int] = {}
    for identity, ((kind, _), group) in enumerate(groupby(frames, key=lambda frame: frame[:2])):
        fruit = list(group)
        is_tested = False
        if len({frame.axis for frame in fruit}) > 1:
            seen[kind] = seen.get(kind, 0) + 1
            is_tested = seen[kind] % 2 == 0
        for frame in fruit:
            tested: Split = "gallery" if frame.axis else "query"
            yield Row(frame.path, identity, frame.axis, tested if is_tested else "train")
