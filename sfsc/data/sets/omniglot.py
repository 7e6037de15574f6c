"""Omniglot: handwriting. A character is an identity, its drawer the camera (DESIGN.md 4).

Lake, Salakhutdinov, Tenenbaum, "Human-level concept learning through probabilistic program
induction", Science 2015; https://github.com/brendenlake/omniglot, MIT licence.

Greek and Latin are in both small archives, image for image, so a split by archive would leak. The
split here is by alphabet: `TRAIN` against `TEST`.
"""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import Field

from sfsc.data.archive import check_archive, read_archive
from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import Manifest, Row, Split, pixel_digest
from sfsc.data.prepared import PreparedSet
from sfsc.data.splits import hold_out
from sfsc.download import obtain
from sfsc.errors import DataError
from sfsc.files import replacing
from sfsc.settings.section import Part


class Settings(Part):
    """Handwritten characters: a character is an identity, its drawer the camera (DESIGN.md 4)."""

    image_size: int = Field(default=28, ge=16, le=105)
    """Side of the square images, pixels (105 in the archives)."""
    query_drawers: int = Field(default=10, ge=1, le=19)
    """How many of the 20 drawers of a test character are queries."""


REPOSITORY = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
ARCHIVES = {
    "images_background_small1": "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
    "images_background_small2": "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
}
"""SHA-256 of each archive."""
RAW = tuple(f"{name}.zip" for name in ARCHIVES)
"""The archives, below `data/raw/omniglot/`."""
TRAIN = ("Greek", "Japanese_(katakana)", "Latin", "Sanskrit")
TEST = ("Balinese", "Early_Aramaic", "Korean", "Tagalog")
TRAIN_CHARACTERS, TEST_CHARACTERS = 139, 103
DRAWERS = 20
SIDE = 105
"""Side of the images in the archives, pixels."""
CREDIT = "Omniglot, copyright (c) 2015 Brenden Lake, MIT licence, github.com/brendenlake/omniglot"
CAMERA = "a camera is a drawer"

_MEMBER = re.compile(
    r"[^/]+/(?P<alphabet>[^/]+)/(?P<character>character[0-9]+)/[0-9]+_(?P<drawer>[0-9]+)\.png"
)


@dataclass(frozen=True, order=True)
class Drawing:
    """The drawing of a character by one drawer."""

    alphabet: str
    character: str
    drawer: int
    """From 0."""

    @property
    def key(self) -> tuple[str, str]:
        """The character, which is the identity."""
        return self.alphabet, self.character

    def __str__(self) -> str:
        """Return the path in the manifest."""
        return f"{self.alphabet}/{self.character}/{self.drawer + 1:02d}"


def fetch(archive: str, output: Path, mirror: Path | None) -> None:
    """Copy an archive from a mirror or download it, verify it and only then move it into place.

    Args:
        archive: One of `RAW`.
        output: Path of the archive, written here.
        mirror: Folder with `omniglot/<archive>`; None downloads it from the official repository.

    Raises:
        DataError: If the archive is unknown, unavailable or not the published one.
    """
    name = archive.removesuffix(".zip")
    if name not in ARCHIVES:
        raise DataError(
            f"An archive of Omniglot must be one of {', '.join(RAW)}. Found `{archive}`."
        )
    with replacing(output) as partial:
        source = obtain(
            partial,
            url=f"{REPOSITORY}/{name}.zip",
            mirrored=mirror / "omniglot" / f"{name}.zip" if mirror else None,
            what="Omniglot",
        )
        check_archive(partial, sha256=ARCHIVES[name], source=source)


def build(
    settings: Settings,
    raw_dir: Path,
    *,
    validation_fraction: float,
    packed: Path | None = None,  # noqa: ARG001 - the signature is the same for all sets
    threads: int = 1,  # noqa: ARG001
) -> PreparedSet:
    """Decode the drawings; characters are numbered alphabetically, training alphabets first.

    The first `query_drawers` drawings of a test character are queries, the others are the gallery.

    Args:
        settings: The image size and the number of query drawers.
        raw_dir: Folder with the two archives.
        validation_fraction: Share of the training characters held out for validation.
        packed: Not used: the set fits in memory.
        threads: Not used: decoding takes seconds.

    Raises:
        DataError: If an archive is damaged, an image cannot be read or the characters are not the
            published ones.
    """
    drawings = _read_drawings([raw_dir / f"{name}.zip" for name in ARCHIVES])
    identities = _number_characters(drawings)
    held_out = _hold_out(validation_fraction)
    images, rows = [], []
    for drawing in sorted(drawings, key=lambda drawing: (identities[drawing.key], drawing)):
        image = _decode(drawing, drawings[drawing], settings.image_size)
        identity = identities[drawing.key]
        split = _choose_split(
            drawing, is_held_out=identity in held_out, query_drawers=settings.query_drawers
        )
        images.append(image)
        rows.append(Row(str(drawing), identity, drawing.drawer, split, pixel_digest(image)))
    return PreparedSet(Manifest.from_rows(rows), np.stack(images))


def expected_counts(settings: Settings, *, validation_fraction: float) -> dict[Split, SplitCount]:
    """Return the published size of each split, with some training characters held out."""
    held_out = len(_hold_out(validation_fraction))
    train, test = TRAIN_CHARACTERS - held_out, TEST_CHARACTERS
    return {
        "train": SplitCount(train, train * DRAWERS),
        "validation": SplitCount(held_out, held_out * DRAWERS),
        "query": SplitCount(test, test * settings.query_drawers),
        "gallery": SplitCount(test, test * (DRAWERS - settings.query_drawers)),
    }


def _read_drawings(archives: Iterable[Path]) -> dict[Drawing, bytes]:
    """Return the PNG files of all archives; a drawing in two archives must be the same in both."""
    drawings: dict[Drawing, bytes] = {}
    for path in archives:
        check_archive(path, sha256=ARCHIVES[path.stem])
        for name, content in read_archive(path).items():
            drawing = _parse_name(path, name)
            if drawings.setdefault(drawing, content) != content:
                raise DataError(
                    f"Drawing `{drawing}` must be the same in all archives. "
                    f"Found another in {path}."
                )
    return drawings


def _parse_name(path: Path, name: str) -> Drawing:
    match = _MEMBER.fullmatch(name)
    if match is None or match["alphabet"] not in (*TRAIN, *TEST):
        raise DataError(
            f"{path} must hold drawings of {', '.join((*TRAIN, *TEST))} only. Found `{name}`."
        )
    return Drawing(match["alphabet"], match["character"], int(match["drawer"]) - 1)


def _number_characters(drawings: Iterable[Drawing]) -> dict[tuple[str, str], int]:
    """Return the identity of each character, counted from 0, training alphabets first."""
    keys = sorted({drawing.key for drawing in drawings}, key=lambda key: (key[0] in TEST, key))
    return {key: identity for identity, key in enumerate(keys)}


def _choose_split(drawing: Drawing, *, is_held_out: bool, query_drawers: int) -> Split:
    if drawing.alphabet in TRAIN:
        return "validation" if is_held_out else "train"
    return "query" if drawing.drawer < query_drawers else "gallery"


def _hold_out(validation_fraction: float) -> frozenset[int]:
    return hold_out(range(TRAIN_CHARACTERS), fraction=validation_fraction, seed=0)


def _decode(drawing: Drawing, content: bytes, size: int) -> NDArray[np.uint8]:
    """Return a drawing (size, size, 1), bright on black; a pixel is the mean of its area."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            grey = picture.convert("L")
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"Image `{drawing}` must be a readable PNG file. Found: {error}. "
            "Fetch the archives again."
        ) from error
    if grey.size != (SIDE, SIDE):
        raise DataError(
            f"Image `{drawing}` must have {SIDE} x {SIDE} pixels. "
            f"Found {grey.width} x {grey.height}."
        )
    strokes = ImageOps.invert(grey).resize((size, size), Image.Resampling.BOX)
    return np.asarray(strokes, dtype=np.uint8)[:, :, None]
