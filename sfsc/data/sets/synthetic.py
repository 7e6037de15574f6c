"""The synthetic re-identification set: rendered vehicles seen by cameras (DESIGN.md 4).

Each vehicle, camera and picture has a generator of its own, and all arithmetic is on integers: the
set is the same bit for bit on any machine and with any number of processes.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sfsc.data.integrity import SplitCount
from sfsc.data.manifest import Manifest, Row, Split, pixel_digest
from sfsc.data.prepared import PreparedSet
from sfsc.data.rendering.cameras import build_camera
from sfsc.data.rendering.pictures import take_picture
from sfsc.data.rendering.vehicles import build_vehicle
from sfsc.data.splits import hold_out
from sfsc.settings.section import Part


class Settings(Part):
    """The rendered set; it is a function of this row and `data.validation_fraction` alone."""

    seed: int = Field(default=0, ge=0)
    """Seed of everything that is drawn."""
    train_identities: int = Field(default=180, ge=8, le=10_000)
    """Identities of the training split, including those held out for validation."""
    test_identities: int = Field(default=120, ge=4, le=10_000)
    """Identities of query and gallery."""
    cameras: int = Field(default=8, ge=6, le=24)
    """Number of cameras."""
    cameras_per_identity: int = Field(default=6, ge=2)
    """Cameras that see an identity."""
    images_per_camera: int = Field(default=3, ge=2, le=100)
    """Images of an identity in each camera that sees it."""
    image_size: int = Field(default=24, ge=16, le=256)
    """Side of the square images, pixels."""

    @model_validator(mode="after")
    def _check_cameras(self) -> Self:
        if self.cameras_per_identity > self.cameras:
            raise ValueError(
                "`cameras_per_identity` must not exceed `cameras`. Found "
                f"`cameras_per_identity = {self.cameras_per_identity}`, `cameras = {self.cameras}`."
            )
        return self


RAW = ()
"""No files: the set is rendered."""
# The first word of the seed of each kind of generator.
_VEHICLE, _CAMERA, _SIGHTING, _PICTURE = range(4)


def build(
    settings: Settings,
    _raw_dir: Path,
    *,
    validation_fraction: float,
    packed: Path | None = None,  # noqa: ARG001 - the signature is the same for all sets
    threads: int = 1,
) -> PreparedSet:
    """Render the set.

    The first identities are for training and validation, the others for the test. The first picture
    of a test identity by each camera is a query, the others are the gallery.

    Args:
        settings: The set is a function of these and `validation_fraction` alone.
        _raw_dir: Not used.
        validation_fraction: Share of the training identities held out for validation.
        packed: Not used: the set fits in memory.
        threads: Number of processes.
    """
    identities = range(settings.train_identities + settings.test_identities)
    render = partial(render_identity, settings)
    if threads == 1:
        pictures = list(map(render, identities))
    else:
        # Fresh interpreters: a fork would copy the locks of threads that it does not copy.
        with ProcessPoolExecutor(threads, mp_context=get_context("spawn")) as pool:
            pictures = list(pool.map(render, identities, chunksize=8))
    images = np.concatenate(pictures)
    rows = _list_rows(settings, validation_fraction)
    return PreparedSet(
        Manifest.from_rows(
            Row(path, identity, camera, split, pixel_digest(image))
            for (path, identity, camera, split), image in zip(rows, images, strict=True)
        ),
        images,
    )


def expected_counts(settings: Settings, *, validation_fraction: float) -> dict[Split, SplitCount]:
    """Return the size of each split."""
    held_out = len(_hold_out(settings, validation_fraction))
    train, test = settings.train_identities - held_out, settings.test_identities
    queries = settings.cameras_per_identity
    images = queries * settings.images_per_camera
    return {
        "train": SplitCount(train, train * images),
        "validation": SplitCount(held_out, held_out * images),
        "query": SplitCount(test, test * queries),
        "gallery": SplitCount(test, test * (images - queries)),
    }


def render_identity(settings: Settings, identity: int) -> NDArray[np.uint8]:
    """Return all pictures of one vehicle, camera by camera.

    Returns:
        Shape (cameras_per_identity x images_per_camera, H, W, 3).
    """
    vehicle = build_vehicle(_generator(settings.seed, _VEHICLE, identity))
    pictures = []
    for index in choose_cameras(settings, identity):
        camera = build_camera(
            _generator(settings.seed, _CAMERA, index), index=index, count=settings.cameras
        )
        for number in range(settings.images_per_camera):
            rng = _generator(settings.seed, _PICTURE, identity, index, number)
            pictures.append(take_picture(vehicle, camera, rng, size=settings.image_size))
    return np.stack(pictures)


def choose_cameras(settings: Settings, identity: int) -> list[int]:
    """Return the cameras that see an identity, ascending: neighbours on the ring of cameras."""
    start = int(_generator(settings.seed, _SIGHTING, identity).integers(settings.cameras))
    return sorted(
        (start + step) % settings.cameras for step in range(settings.cameras_per_identity)
    )


def _list_rows(settings: Settings, validation_fraction: float) -> list[tuple[str, int, int, Split]]:
    held_out = _hold_out(settings, validation_fraction)
    return [
        (
            f"{identity:05d}/camera{camera:02d}_{number:02d}",
            identity,
            camera,
            _choose_split(identity, number, train=settings.train_identities, held_out=held_out),
        )
        for identity in range(settings.train_identities + settings.test_identities)
        for camera in choose_cameras(settings, identity)
        for number in range(settings.images_per_camera)
    ]


def _choose_split(identity: int, number: int, *, train: int, held_out: frozenset[int]) -> Split:
    if identity < train:
        return "validation" if identity in held_out else "train"
    return "query" if number == 0 else "gallery"


def _hold_out(settings: Settings, validation_fraction: float) -> frozenset[int]:
    return hold_out(
        range(settings.train_identities), fraction=validation_fraction, seed=settings.seed
    )


def _generator(*words: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))
