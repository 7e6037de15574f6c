"""A picture of a data set that a person can look at: identities in rows, cameras in columns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sfsc.data.integrity import count_splits
from sfsc.data.manifest import Split
from sfsc.data.prepared import PreparedSet

ROWS_PER_SPLIT: dict[Split, int] = {"train": 5, "validation": 2, "query": 5}
"""Gallery identities are the query's."""
CELL = 64
"""Side of a cell, pixels; small images are enlarged by a whole factor."""
GAP = 3
MARGIN = (118, 64)
"""Room for the labels on the left and on top, pixels."""
PAPER, INK, EMPTY = (255, 255, 255), (30, 30, 30), (232, 232, 232)


def write_contact_sheet(prepared: PreparedSet, path: Path, *, title: str) -> None:
    """Draw the first image of some identities in each camera; an empty cell was not seen.

    Args:
        prepared: The set.
        path: Of the PNG file.
        title: Its heading.
    """
    manifest = prepared.manifest
    cameras = np.unique(manifest.camera).tolist()
    rows = [
        (split, identity)
        for split, number in ROWS_PER_SPLIT.items()
        for identity in manifest.identities(split)[:number].tolist()
    ]
    side = max(CELL // prepared.images.shape[1], 1) * prepared.images.shape[1]
    pitch = side + GAP
    sheet = Image.new(
        "RGB", (MARGIN[0] + pitch * len(cameras), MARGIN[1] + pitch * len(rows)), PAPER
    )
    draw = ImageDraw.Draw(sheet)
    _write_labels(draw, prepared, rows, cameras, title=title, pitch=pitch)
    for y, (_, identity) in enumerate(rows):
        for x, camera in enumerate(cameras):
            corner = (MARGIN[0] + x * pitch, MARGIN[1] + y * pitch)
            found = np.flatnonzero((manifest.identity == identity) & (manifest.camera == camera))
            if len(found):
                sheet.paste(_enlarge(prepared.images[found[0]], side), corner)
            else:
                draw.rectangle((corner, (corner[0] + side - 1, corner[1] + side - 1)), fill=EMPTY)
    sheet.save(path, format="PNG")


def _write_labels(
    draw: ImageDraw.ImageDraw,
    prepared: PreparedSet,
    rows: Sequence[tuple[str, int]],
    cameras: list[int],
    *,
    title: str,
    pitch: int,
) -> None:
    heading, small = ImageFont.load_default(17), ImageFont.load_default(12)
    sizes = ", ".join(
        f"{split} {count.identities} / {count.images:,}"
        for split, count in count_splits(prepared.manifest).items()
    )
    draw.text((8, 6), title, fill=INK, font=heading)
    draw.text((8, 28), f"Identities / images: {sizes}", fill=INK, font=small)
    for x, camera in enumerate(cameras):
        draw.text((MARGIN[0] + x * pitch, MARGIN[1] - 17), f"cam {camera}", fill=INK, font=small)
    for y, (split, identity) in enumerate(rows):
        part = "test" if split == "query" else split
        draw.text((8, MARGIN[1] + y * pitch + pitch // 2 - 16), part, fill=INK, font=small)
        draw.text(
            (8, MARGIN[1] + y * pitch + pitch // 2), f"identity {identity}", fill=INK, font=small
        )


def _enlarge(image: NDArray[np.uint8], side: int) -> Image.Image:
    """Return a cell: grey images become RGB, pixels stay square."""
    picture = Image.fromarray(np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3))))
    return picture.resize((side, side), Image.Resampling.NEAREST)
