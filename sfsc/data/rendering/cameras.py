"""The cameras of the synthetic set.

Each has its own range of viewpoints, colour cast, exposure, background, occluders, blur and noise.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sfsc.data.rendering.raster import TURN, Colour

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
    """The properties that all pictures of one camera share."""

    yaw: int
    """Middle of its viewpoints, in 1/1024 turn; 0 sees the front of the vehicle."""
    yaw_range: int
    """Largest deviation of a viewpoint from `yaw`, in 1/1024 turn."""
    elevation: tuple[int, int]
    """Range of the angle above the horizon, in 1/1024 turn."""
    light: int
    """Direction of the light relative to the camera, in 1/1024 turn."""
    gain: Colour
    """Colour cast: the gain of each channel, in 1/256."""
    exposure: tuple[int, int]
    """Range of the common gain of all channels, in 1/256."""
    ground: Colour
    wall: Colour
    horizon: int
    """Height of the wall behind the vehicle, in 1/16 of the picture."""
    line: tuple[int, int]
    """x of the lane marking at the bottom and at the horizon, in 1/16 of the picture's width."""
    occluder: Occluder
    blur: int
    """Number of times the picture is smoothed before it is shrunk."""
    noise: int
    """Largest value of each of the two uniform terms whose sum is the noise."""


def build_camera(rng: np.random.Generator, *, index: int, count: int) -> Camera:
    """Draw a camera. The viewpoints of all cameras are spread over a full turn.

    Args:
        rng: Generator of this camera alone.
        index: Index of the camera, from 0.
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
