"""The command `sfsc index`: photographs become a gallery."""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from sfsc.deploy.gallery import HEAD, SHARD_IMAGES, Gallery, Photograph, Precision
from sfsc.deploy.model import BATCH, OnnxEmbedder
from sfsc.deploy.photographs import SUFFIXES
from sfsc.errors import DataError, ResultError

LOGGER = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 10.0
Pixels = NDArray[np.uint8]


def index(
    model: OnnxEmbedder,
    photographs: Sequence[Path],
    folder: Path,
    *,
    precision: Precision = "float16",
    threads: int = 1,
) -> Gallery:
    """Add photographs to a gallery, which is created if it does not exist.

    Images that the gallery holds are skipped unless their file has changed; so an interrupted run
    goes on where it was. Damaged images are named and skipped.

    Args:
        model: The model that embeds them.
        photographs: Their files.
        folder: Folder of the gallery.
        precision: Numbers that the vectors consist of, in a new gallery.
        threads: Threads that decode.

    Raises:
        ResultError: If the gallery is damaged or of another model.
        DataError: If it would hold no image.
    """
    exists = (folder / HEAD).exists()
    if not exists:
        _check_empty(folder)
    gallery = (
        Gallery.open(folder) if exists else Gallery.create(folder, model.description, precision)
    )
    check_same_model(gallery, model)
    with gallery.locked():
        gallery = Gallery.open(folder)
        known = dict(gallery.photographs)
        found = {os.path.abspath(path): path for path in photographs}  # noqa: PTH100 - keeps links
        stamps = {name: _stamp(path) for name, path in found.items()}
        waiting = [Photograph(name, s) for name, s in stamps.items() if s != known.get(name)]
        if len(waiting) < len(found):
            present = len(found) - len(waiting)
            LOGGER.info("%d of %d images are in the gallery.", present, len(found))
        gallery = gallery.remove([photo.path for photo in waiting if photo.path in known])
        gallery = _add(gallery, model, waiting, threads)
    if not gallery.head.shards:
        raise DataError(f"A gallery must have images. Found none of {len(found)} readable.")
    return gallery


def remove(folder: Path, photographs: Sequence[Path]) -> None:
    """Remove photographs from a gallery; their files stay.

    Args:
        folder: Folder of the gallery.
        photographs: Files, or folders of them, which need not exist any more.

    Raises:
        ResultError: If the gallery is damaged.
        DataError: If it holds none of one of them.
    """
    with Gallery.open(folder).locked():
        gallery, unwanted = Gallery.open(folder), set[str]()
        for path in photographs:
            name = os.path.abspath(path)  # noqa: PTH100 - as indexed
            found = {p.path for p in gallery.photographs if f"{p.path}/".startswith(f"{name}/")}
            if not found:
                raise DataError(
                    f"A photograph to remove must be in {folder}. Found none at {path}."
                )
            unwanted |= found
        gallery.remove(unwanted)
    LOGGER.info("%d images removed.", len(unwanted))


def find_photographs(source: str, listed: TextIO) -> list[Path]:
    """Return the photographs of a folder and all folders below it, or of a list.

    Args:
        source: The folder or a file; `-` reads one path per line.
        listed: The list, read if `source` is `-`.

    Raises:
        DataError: If there are none.
    """
    if source == "-":
        found = [Path(line.rstrip("\n")) for line in listed if line.strip()]
    elif Path(source).is_dir():
        found = sorted(p for p in Path(source).rglob("*") if p.suffix.lower() in SUFFIXES)
    else:
        found = [Path(source)] if Path(source).is_file() else []
    if not found:
        names = ", ".join(sorted(SUFFIXES))
        raise DataError(
            f"There must be photographs in {'the list' if source == '-' else source}. Found no "
            f"file that ends in {names}."
        )
    return found


def check_same_model(gallery: Gallery, model: OnnxEmbedder) -> None:
    """Refuse to add the vectors of another model to a gallery.

    Raises:
        ResultError: If the gallery is of another space, width or precision.
    """
    ours, theirs = gallery.model, model.description
    if ours != theirs:
        raise ResultError(
            f"A gallery must be made by one model. Found {gallery.folder} made by {ours.name} and "
            f"a model that is {theirs.name}. Index into a new folder."
        )


def _check_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ResultError(
            f"A gallery must be a new folder or one of `sfsc index`. Found other files in {folder}."
        )


def _stamp(path: Path) -> str:
    """Return size and time of a file; a file that is missing has none."""
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def _add(
    gallery: Gallery, model: OnnxEmbedder, waiting: Sequence[Photograph], threads: int
) -> Gallery:
    """Embed images and add them shard by shard."""
    added, progress = 0, _Progress(len(waiting))
    for first in range(0, len(waiting), SHARD_IMAGES):
        photos: list[Photograph] = []
        vectors: list[NDArray[np.float32]] = []
        for batch, images in _decode(model, waiting[first : first + SHARD_IMAGES], threads):
            vectors.append(model.embed([image for image in images if image is not None]))
            photos += [p for p, image in zip(batch, images, strict=True) if image is not None]
            progress.tell(len(batch))
        if photos:
            gallery = gallery.add(photos, np.concatenate(vectors))
            added += len(photos)
    LOGGER.info("%d images added, %d damaged ones skipped.", added, len(waiting) - added)
    return gallery


def _decode(
    model: OnnxEmbedder, waiting: Sequence[Photograph], threads: int
) -> Iterator[tuple[Sequence[Photograph], list[Pixels | None]]]:
    """Yield batches with their pixels; the next batch is decoded while one is embedded."""

    def decode(photograph: Photograph) -> Pixels | None:
        try:
            return model.read(Path(photograph.path))
        except DataError as error:
            LOGGER.warning("Skipped: %s", error)
            return None

    with ThreadPoolExecutor(threads) as pool:
        ahead: list[tuple[Sequence[Photograph], Iterator[Pixels | None]]] = []
        for first in range(0, len(waiting), BATCH):
            batch = waiting[first : first + BATCH]
            ahead.append((batch, pool.map(decode, batch)))  # starts now
            if len(ahead) > 1:
                done, pixels = ahead.pop(0)
                yield done, list(pixels)
        for done, pixels in ahead:
            yield done, list(pixels)


class _Progress:
    """Logs how far an index is and how long it will take.

    Args:
        total: Images to embed.
    """

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._start = self._last = time.monotonic()

    def tell(self, images: int) -> None:
        """Count images; log where the last line is some seconds ago."""
        self._done += images
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES or self._done == self._total:
            self._last = now
            speed = self._done / max(now - self._start, 1e-9)
            left = timedelta(seconds=round((self._total - self._done) / speed))
            LOGGER.info("image %d/%d  %.0f a second  %s left", self._done, self._total, speed, left)
