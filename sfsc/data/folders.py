"""Photographs in folders, one folder for each identity, as rows of a table.

An identity's folder holds its images or, in a set with cameras, one folder for each camera:

    shoes/red-sneaker/1.jpg              shoes/red-sneaker/phone/1.jpg
    shoes/red-sneaker/2.jpg              shoes/red-sneaker/studio/1.jpg
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from PIL import Image

from sfsc.data.image_files import decode_files
from sfsc.data.integrity import find_copies
from sfsc.data.manifest import Manifest, Row, Split
from sfsc.data.mistakes import name_some
from sfsc.data.sets.custom import FORMATS
from sfsc.data.splits import hold_out
from sfsc.errors import DataError

LOGGER = logging.getLogger(__name__)
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
LEAST_IDENTITIES = 8
"""With fewer, validation or test would have a single identity."""
TEST_SHARE = 1 / 3
"""Share of the identities that are kept for the test."""
LARGEST_RATIO = 3.0
"""Longer images are squeezed to this ratio of their sides."""
SIZE_STEP, SMALLEST_SIZE = 8, 16
"""Sizes are multiples of the one and not below the other, pixels."""


@dataclass(frozen=True)
class Photo:
    """An image file, and what its folders say about it."""

    file: Path
    """Relative to the folder of all photographs."""
    identity: str
    camera: str | None
    """None in a set without cameras."""


def list_photos(folder: Path) -> tuple[list[Photo], list[str]]:
    """List the photographs of a folder, sorted by name.

    Hidden files are skipped. So are files of other kinds, of which the log names one.

    Args:
        folder: The folder with one folder for each identity.

    Returns:
        The photographs, and a sentence about each kind of mistake in the layout.

    Raises:
        DataError: If a folder cannot be read.
    """
    try:
        files = [file.relative_to(folder) for file in _walk(folder, levels=3)]
    except OSError as error:
        raise DataError(f"{folder} and its folders must be readable. Found: {error}.") from error
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    if others := sorted(set(files) - set(images)):
        LOGGER.info(
            "Skipped %d files that are not %s, such as `%s`.",
            len(others), ", ".join(FORMATS), others[0],
        )  # fmt: skip
    placed = [image for image in images if len(image.parts) in {2, 3}]
    photos = [
        Photo(image, image.parts[0], image.parts[1] if len(image.parts) == 3 else None)
        for image in placed
    ]
    names = [path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    misplaced = [image for image in images if len(image.parts) not in {2, 3}]
    return photos, [
        *_find_unwritable(placed),
        *_find_misplaced(misplaced),
        *_find_gaps(photos, sorted(names)),
    ]


def _walk(folder: Path, *, levels: int) -> Iterator[Path]:
    """Yield the files that are not hidden, at most so many folders deep."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and levels:
            yield from _walk(path, levels=levels - 1)
        elif path.is_file():
            yield path


def _find_unwritable(images: Sequence[Path]) -> Iterator[str]:
    """Yield the sentence about names that a table in UTF-8 cannot hold, if any."""
    texts = [str(image) for image in images]
    broken = [text for text in texts if text.encode(errors="ignore").decode() != text]
    if broken:
        yield f"Names of files must be UTF-8. Found {name_some([ascii(text) for text in broken])}."


def _find_misplaced(images: Sequence[Path]) -> Iterator[str]:
    """Yield the sentence about images that belong to no identity, if any."""
    if images:
        rule = "Every image must be in the folder of its identity, or of a camera in it."
        yield f"{rule} Found {name_some([f'`{image}`' for image in images])}."


def _find_gaps(photos: Sequence[Photo], identities: Sequence[str]) -> Iterator[str]:
    """Yield a sentence about each kind of thing that is missing.

    Args:
        photos: The photographs.
        identities: Names of the identities' folders.
    """
    if len(identities) < LEAST_IDENTITIES:
        rule = f"There must be at least {LEAST_IDENTITIES} folders, one for each identity."
        yield f"{rule} Found {len(identities)}."
    cameras: dict[str, set[Path | str]] = {name: set() for name in identities}
    for photo in photos:
        cameras[photo.identity].add(photo.camera or photo.file)
    kinds = {photo.camera is None: photo for photo in reversed(photos)}
    if len(kinds) == 2:
        rule = "Images must be in folders of cameras for every identity, or for none."
        yield f"{rule} Found `{kinds[False].file}` and `{kinds[True].file}`."
        return
    few = [f"{len(seen)} of `{name}`" for name, seen in cameras.items() if len(seen) < 2]
    if few and True in kinds:
        yield f"Every identity must have at least 2 images. Found {name_some(few)}."
    elif few:
        rule = "Every identity must have images of at least 2 cameras"
        advice = "Without folders of cameras, 2 images are enough."
        yield f"{rule}. Found {name_some(few)}. {advice}"


def list_rows(photos: Sequence[Photo]) -> list[Row]:
    """Return a row for each photograph; identities and cameras are numbered by name.

    A third of the identities is for the test. Of each, the images of every other camera are
    queries, the others are in the gallery; half of the identities begin with a query. So every
    query has a positive from another camera. Without cameras each image has one of its own.

    >>> photos = [Photo(Path(f"{i}/{n}.jpg"), i, None) for i in "abcdefgh" for n in "01"]
    >>> [row.split for row in list_rows(photos)].count("query")
    3
    """
    identities = sorted({photo.identity for photo in photos})
    cameras = sorted({photo.camera or str(photo.file) for photo in photos})
    numbers = {name: number for number, name in enumerate(identities)}
    camera_numbers = {name: number for number, name in enumerate(cameras)}
    tested = hold_out(range(len(identities)), fraction=TEST_SHARE, seed=0)
    places: dict[str, dict[str, int]] = {name: {} for name in identities}
    rows = []
    for photo in photos:
        number, camera = numbers[photo.identity], photo.camera or str(photo.file)
        seen = places[photo.identity]
        place = seen.setdefault(camera, len(seen))
        test: Split = "query" if (place + number) % 2 else "gallery"
        split: Split = test if number in tested else "train"
        rows.append(Row(str(photo.file), number, camera_numbers[camera], split))
    return rows


def find_damages(folder: Path, rows: Sequence[Row], *, size: tuple[int, int]) -> list[str]:
    """Decode all images; return a sentence about damaged ones and one about copies, if any.

    Args:
        folder: Folder of the paths.
        rows: The images.
        size: Height and width that the images are resized to, pixels.
    """
    files, (height, width) = [folder / row.path for row in rows], size
    threads = os.cpu_count() or 1
    decoded = decode_files(files, height=height, width=width, formats=FORMATS, threads=threads)
    damages, whole = [], []
    for row, one in zip(rows, decoded, strict=True):
        if one.damage:
            damages.append(f"`{row.path}` ({one.damage})")
        else:
            whole.append(replace(row, digest=one.digest))
    rule = f"Every image must be a readable {' or '.join(FORMATS)} file."
    mistakes = [f"{rule} Found {name_some(damages)}."] if damages else []
    return [*mistakes, *find_copies(Manifest.from_rows(whole), [row.digest for row in whole])]


def choose_image_size(files: Sequence[Path], *, side: int) -> tuple[int, int]:
    """Return the height and width in pixels that suit most of the images.

    Their median ratio is kept up to `LARGEST_RATIO`, and no image is enlarged much: the area is
    the median area of the images, at most `side` squared.

    Args:
        files: The images; those that cannot be read are skipped.
        side: Side of the largest square, pixels.
    """
    sizes = [size for size in map(_read_size, files) if size] or [(side, side)]
    ratio = median(width / height for width, height in sizes)
    ratio = min(max(ratio, 1 / LARGEST_RATIO), LARGEST_RATIO)
    root = min(side, median((width * height) ** 0.5 for width, height in sizes))
    return _round(root / ratio**0.5), _round(root * ratio**0.5)


def _read_size(file: Path) -> tuple[int, int] | None:
    """Return the width and height of an image as it is seen, from its header; None if damaged."""
    try:
        with Image.open(file, formats=FORMATS) as picture:
            is_turned = picture.getexif().get(0x0112, 1) >= 5
            width, height = picture.size
    except Exception:  # noqa: BLE001 - whatever Pillow raises, decoding tells what is wrong
        return None
    return (height, width) if is_turned else (width, height)


def _round(pixels: float) -> int:
    return max(SMALLEST_SIZE, SIZE_STEP * round(pixels / SIZE_STEP))
