"""A contact sheet of a data set: identities in rows, cameras in columns.

The columns of a set with many cameras, or with one for each image, are the images of an identity.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sfsc.data.integrity import count_splits
from sfsc.data.manifest import Manifest, Split
from sfsc.data.prepared import PreparedSet

ROWS_PER_SPLIT: dict[Split, int] = {"train": 5, "validation": 2, "query": 5}
"""Number of identities shown of each split; the gallery has those of the query."""
CELL, LARGEST = 64, 128
"""Smaller images are enlarged by a whole factor to a height of at most `CELL` pixels; images higher
than `LARGEST` are shrunk to it."""
GAP = 3
LARGEST_COLUMNS = 24
"""Largest number of cameras that have a column each."""
MARGIN = (118, 64)
"""Width of the left margin and height of the top margin, which hold the labels, pixels."""
LINE = 80
"""Largest number of characters in a line of the words below the images."""
PAPER, INK, EMPTY = (255, 255, 255), (30, 30, 30), (232, 232, 232)


def write_contact_sheet(
    prepared: PreparedSet, path: Path, *, title: str, sentences: Sequence[str] = ()
) -> None:
    """Draw the first image of some identities by each camera; a cell without one stays grey.

    Args:
        prepared: The set.
        path: The PNG file, written here.
        title: Heading of the sheet.
        sentences: What to write below the images, such as the credit.
    """
    manifest = prepared.manifest
    rows = [
        (split, identity)
        for split, number in ROWS_PER_SPLIT.items()
        for identity in manifest.identities(split)[:number].tolist()
    ]
    width, height = _cell_size(*prepared.images.shape[1:3])
    pitch = (width + GAP, height + GAP)
    columns, cells = _arrange(manifest, [identity for _, identity in rows])
    counts = _describe_counts(manifest)
    footer = [line for text in sentences for line in textwrap.wrap(text, LINE)]
    grid = (MARGIN[0] + pitch[0] * len(columns), MARGIN[1] + pitch[1] * len(rows))
    longest = max(ImageFont.load_default(12).getlength(line) for line in (counts, *footer))
    size = (max(grid[0], round(longest) + 16), grid[1] + 16 * len(footer))
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    _write_labels(draw, rows, columns, title=title, counts=counts, pitch=pitch)
    draw.multiline_text((8, grid[1]), "\n".join(footer), fill=INK, font_size=12)
    for y in range(len(rows)):
        for x in range(len(columns)):
            corner = (MARGIN[0] + x * pitch[0], MARGIN[1] + y * pitch[1])
            if (y, x) in cells:
                sheet.paste(_resize(prepared.images[cells[y, x]], width, height), corner)
            else:
                end = (corner[0] + width - 1, corner[1] + height - 1)
                draw.rectangle((corner, end), fill=EMPTY)
    sheet.save(path, format="PNG")


def _arrange(
    manifest: Manifest, identities: list[int]
) -> tuple[list[str], dict[tuple[int, int], int]]:
    """Return the labels of the columns, and the image of each cell by its row and column."""
    cameras = np.unique(manifest.camera).tolist()
    images = [np.flatnonzero(manifest.identity == identity) for identity in identities]
    if len(cameras) > LARGEST_COLUMNS:
        cells = {
            (y, x): int(image)
            for y, found in enumerate(images)
            for x, image in enumerate(found[:LARGEST_COLUMNS])
        }
        count = max(x for _, x in cells) + 1
        return [f"image {number}" for number in range(1, count + 1)], cells
    column_of = {camera: x for x, camera in enumerate(cameras)}
    cells = {}
    for y, found in enumerate(images):
        for image in found.tolist():
            cells.setdefault((y, column_of[int(manifest.camera[image])]), image)
    return [f"cam {camera}" for camera in cameras], cells


def _write_labels(
    draw: ImageDraw.ImageDraw,
    rows: Sequence[tuple[str, int]],
    columns: list[str],
    *,
    title: str,
    counts: str,
    pitch: tuple[int, int],
) -> None:
    heading, small = ImageFont.load_default(17), ImageFont.load_default(12)
    draw.text((8, 6), title, fill=INK, font=heading)
    draw.text((8, 28), counts, fill=INK, font=small)
    for x, label in enumerate(columns):
        place = (MARGIN[0] + x * pitch[0], MARGIN[1] - 17)
        draw.text(place, label, fill=INK, font=small)
    for y, (split, identity) in enumerate(rows):
        part = "test" if split == "query" else split
        middle = MARGIN[1] + y * pitch[1] + pitch[1] // 2
        draw.text((8, middle - 16), part, fill=INK, font=small)
        draw.text((8, middle), f"identity {identity}", fill=INK, font=small)


def _describe_counts(manifest: Manifest) -> str:
    sizes = ", ".join(
        f"{split} {count.identities} / {count.images:,}"
        for split, count in count_splits(manifest).items()
    )
    return f"Identities / images: {sizes}"


def _cell_size(height: int, width: int) -> tuple[int, int]:
    """Return the width and height of a cell, pixels.

    >>> _cell_size(28, 28), _cell_size(256, 128)
    ((56, 56), (64, 128))
    """
    scale = LARGEST / height if height > LARGEST else max(CELL // height, 1)
    return round(scale * width), round(scale * height)


def _resize(image: NDArray[np.uint8], width: int, height: int) -> Image.Image:
    """Return an image as RGB, resized to a cell."""
    picture = Image.fromarray(np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3))))
    is_shrunk = height < picture.height
    method = Image.Resampling.BOX if is_shrunk else Image.Resampling.NEAREST
    return picture.resize((width, height), method)
