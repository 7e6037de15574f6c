"""Cameras of the synthetic set: what all pictures of one camera have in common.

Each camera has its own viewpoint range, colour cast, exposure, background, occluders, blur and
noise. How a picture is drawn from them: `sfsc.data.pictures`.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sfsc.data.raster import TURN, Colour

Occluder = Literal["none", "pole", "foliage", "barrier"]
OCCLUDERS: tuple[Occluder, ...] = get_args(Occluder)
GROUNDS: tuple[Colour, ...] = (
    (96, 96, 97),
    (106, 105, 102),
    (88, 90, 94),
    (110, 107, 100),
)
WALLS: tuple[Colour, ...] = (
    (130, 140, 150),
    (108, 118, 106),
    (128, 120, 115),
    (100, 106, 114),
    (140, 141, 138),
)


@dataclass(frozen=True)
class Camera:
    """What all pictures of one camera share."""

    yaw: int
    """Middle of its viewpoints, 1/1024 turns; 0 looks at the front of the vehicle."""
    yaw_range: int
    """Viewpoints reach this far to both sides of the middle."""
    elevation: tuple[int, int]
    """Range of the angle from above, 1/1024 turns."""
    light: int
    """Where the light is from, relative to the camera."""
    gain: Colour
    """Colour cast: 256 leaves a channel as it is."""
    exposure: tuple[int, int]
    """Range of the gain of all channels, 256 = as it is."""
    ground: Colour
    wall: Colour
    horizon: int
    """Height of the wall, 1/16 of the picture."""
    line: tuple[int, int]
    """Where a lane marking leaves the picture below and at the horizon, 1/16 of its width."""
    occluder: Occluder
    blur: int
    """Passes of smoothing before the picture is reduced."""
    noise: int
    """Largest value of each of the two terms of its triangular noise."""


def build_camera(rng: np.random.Generator, *, index: int, count: int) -> Camera:
    """Draw a camera; together the cameras look from all around.

    Args:
        rng: The camera's own generator.
        index: Which camera, from 0.
        count: Number of cameras.
    """
    low = int(rng.integers(45, 80))
    gain = rng.integers(236, 277, size=3).tolist()
    bright = int(rng.integers(208, 254))
    return Camera(
        yaw=index * TURN // count + int(rng.integers(-20, 21)),
        yaw_range=int(rng.integers(30, 68)),
        elevation=(low, low + int(rng.integers(10, 35))),
        light=int(rng.integers(TURN)),
        gain=(gain[0], gain[1], gain[2]),
        exposure=(bright, bright + 26),
        ground=GROUNDS[rng.integers(len(GROUNDS))],
        wall=WALLS[rng.integers(len(WALLS))],
        horizon=int(rng.integers(3, 8)),
        line=(int(rng.integers(-8, 25)), int(rng.integers(2, 15))),
        occluder=OCCLUDERS[index % len(OCCLUDERS)],
        blur=int(rng.integers(0, 3)),
        noise=int(rng.integers(2, 6)),
    )
