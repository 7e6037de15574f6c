"""Cameras of the synthetic set: what makes two pictures of one vehicle differ.

A camera has its own viewpoint range, colour cast, exposure, background, occluders, blur and noise, drawn once; a picture
draws its own viewpoint, framing, exposure and occluder within them. All arithmetic is on integers (see
`sfsc.data.raster`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from sfsc.data.raster import (
    ONE,
    SUBPIXEL,
    TURN,
    Colour,
    IntArray,
    cosine,
    fill_convex,
    shrink,
    signed_area,
    sine,
    smooth,
)
from sfsc.data.solids import FACES, Part, Polygon

OVERSAMPLING = 3
"""Pixels drawn per pixel kept, in each direction."""
DISTANCE = 11_000
"""From the camera to the middle of the vehicle, millimetres."""

GROUNDS: tuple[Colour, ...] = ((94, 94, 95), (105, 104, 102), (86, 88, 92), (112, 108, 99))
WALLS: tuple[Colour, ...] = (
    (133, 142, 151),
    (104, 116, 103),
    (126, 118, 113),
    (94, 99, 107),
    (142, 143, 140),
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
    occluder: int
    """0 none, 1 pole, 2 foliage, 3 barrier."""
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
    gain = rng.integers(232, 281, size=3).tolist()
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
        occluder=index % 4,
        blur=int(rng.integers(0, 3)),
        noise=int(rng.integers(2, 7)),
    )


def take_picture(
    parts: Sequence[Part], camera: Camera, rng: np.random.Generator, *, size: int
) -> NDArray[np.uint8]:
    """Return a picture of a vehicle.

    Args:
        parts: The vehicle.
        camera: Which takes it.
        rng: The picture's own generator.
        size: Side of the picture, pixels.

    Returns:
        (size, size, 3) RGB.
    """
    canvas = _draw_background(camera, rng, size * OVERSAMPLING)
    yaw = camera.yaw + int(rng.integers(-camera.yaw_range, camera.yaw_range + 1))
    elevation = int(rng.integers(camera.elevation[0], camera.elevation[1] + 1))
    _draw_vehicle(canvas, parts, camera, rng, angles=(yaw, elevation))
    _draw_occluder(canvas, camera.occluder, rng)
    for _ in range(camera.blur):
        canvas = smooth(smooth(canvas, axis=0), axis=1)
    for _ in range(3 * int(rng.integers(0, 4) == 0)):  # a vehicle that moves
        canvas = smooth(canvas, axis=1)
    return _develop(shrink(canvas, OVERSAMPLING), camera, rng)


def _draw_background(camera: Camera, rng: np.random.Generator, side: int) -> IntArray:
    canvas = np.empty((side, side, 3), dtype=np.int32)
    horizon = side * (camera.horizon * 4 + int(rng.integers(-4, 5))) // 64
    canvas[:horizon] = camera.wall
    canvas[horizon:] = camera.ground
    step = side * SUBPIXEL // 16
    near, far = camera.line[0] * step + int(rng.integers(-step, step + 1)), camera.line[1] * step
    bottom, top = side * SUBPIXEL, horizon * SUBPIXEL
    lane = [(near, bottom), (near + step, bottom), (far + step // 3, top), (far, top)]
    fill_convex(canvas, lane, (196, 194, 184))
    for _ in range(6):  # stains, windows, plants
        x, y, width, height = (rng.integers(0, 16, size=4) * step).tolist()
        shade = int(rng.integers(-28, 29))
        row = min(y // SUBPIXEL, side - 1)
        colour = np.clip(canvas[row, 0] + shade, 0, 255).tolist()
        corners = [(x, y), (x + width // 2, y), (x + width // 2, y + height // 4), (x, y + height // 4)]
        fill_convex(canvas, corners, colour)
    return canvas


def _draw_vehicle(
    canvas: IntArray, parts: Sequence[Part], camera: Camera, rng: np.random.Generator, *, angles: tuple[int, int]
) -> None:
    yaw, _ = angles
    # The nearer of two parts of a level is painted later: nearness is how far a part is towards the camera.
    ordered = sorted(parts, key=lambda part: (part.level, _towards_camera(part.centre, yaw)))
    polygons = [polygon for part in ordered for polygon in part.polygons]
    points = np.concatenate([polygon.points for polygon in polygons])
    on_canvas = _frame(_project(points, angles), canvas.shape[0], rng)
    _draw_shadow(canvas, on_canvas)
    _paint(canvas, polygons, on_canvas, _light_faces(camera, yaw))


def _towards_camera(centre: tuple[int, int], yaw: int) -> int:
    return centre[0] * cosine(yaw) + centre[1] * sine(yaw)


def _project(points: IntArray, angles: tuple[int, int]) -> IntArray:
    """Return the perspective picture of points in space.

    Args:
        points: (T, 3), millimetres.
        angles: Yaw, elevation; at yaw 0 the camera looks at the front, at a quarter turn at the left side.

    Returns:
        (T, 2) x, y in arbitrary units, y downwards.
    """
    yaw, elevation = angles
    x, y, z = points.T
    towards = (x * cosine(yaw) + y * sine(yaw)) // ONE
    right = (y * cosine(yaw) - x * sine(yaw)) // ONE
    up = z - 700
    depth = DISTANCE - (towards * cosine(elevation) + up * sine(elevation)) // ONE
    height = (up * cosine(elevation) - towards * sine(elevation)) // ONE
    return np.stack([(right << 16) // depth, -((height << 16) // depth)], axis=1)


def _frame(points: IntArray, side: int, rng: np.random.Generator) -> IntArray:
    """Scale and move the vehicle so that it fills most of the picture, as a detector's box does."""
    low, high = points.min(axis=0), points.max(axis=0)
    share = int(rng.integers(800, 981))
    extent = int((high - low).max())
    jitter = rng.integers(-side * SUBPIXEL // 20, side * SUBPIXEL // 20 + 1, size=2)
    scaled = (2 * points - low - high) * (side * SUBPIXEL * share) // (2 * 1024 * extent)
    framed: IntArray = scaled + side * SUBPIXEL // 2 + jitter
    return framed


def _draw_shadow(canvas: IntArray, points: IntArray) -> None:
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    height, middle = bottom - top, (left + right) // 2
    width = (right - left) // 2
    around = range(0, TURN, TURN // 16)
    ellipse = [(middle + width * cosine(a) // ONE, bottom - height // 7 + height * sine(a) // (6 * ONE)) for a in around]
    fill_convex(canvas, ellipse, (34, 34, 38))


def _light_faces(camera: Camera, yaw: int) -> dict[str, int]:
    """Return the brightness of each face, 256 = its own colour."""
    turned = dict(zip(("front", "left", "back", "right"), range(0, TURN, TURN // 4), strict=True))
    sides = {face: 196 + 46 * cosine(angle - yaw - camera.light) // ONE for face, angle in turned.items()}
    return sides | {"top": 262}


def _paint(canvas: IntArray, polygons: Sequence[Polygon], points: IntArray, light: dict[str, int]) -> None:
    corners = iter(points.tolist())
    for polygon in polygons:
        outline = list(islice(corners, len(polygon.points)))
        if signed_area(outline) < 0:  # anticlockwise to the eye: its outside is seen
            fill_convex(canvas, outline, [channel * light[polygon.face] // 256 for channel in polygon.colour])


def _draw_occluder(canvas: IntArray, kind: int, rng: np.random.Generator) -> None:
    side = canvas.shape[0] * SUBPIXEL
    x, width = int(rng.integers(0, side)), int(rng.integers(side // 24, side // 8))
    if kind == 0 or rng.integers(3):
        return
    if kind == 1:
        _fill_box(canvas, (x, x + width // 2), (0, side), (70, 72, 74))
    elif kind == 2:  # noqa: PLR2004 (foliage)
        for _ in range(12):
            left, top = x + int(rng.integers(-width, width)), int(rng.integers(0, side))
            shade = int(rng.integers(0, 40))
            _fill_box(canvas, (left, left + width), (top, top + width), (34 + shade, 62 + shade, 30 + shade))
    else:
        top = side - int(rng.integers(side // 16, side // 4))
        _fill_box(canvas, (0, side), (top, top + width), (176, 178, 180))


def _fill_box(canvas: IntArray, x: tuple[int, int], y: tuple[int, int], colour: Colour) -> None:
    fill_convex(canvas, [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])], colour)


def _develop(picture: IntArray, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Apply exposure, colour cast and noise."""
    exposure = int(rng.integers(camera.exposure[0], camera.exposure[1] + 1))
    noise = rng.integers(-camera.noise, camera.noise + 1, size=(2, *picture.shape)).sum(axis=0)
    exposed = picture * exposure * np.array(camera.gain) // (256 * 256) + noise
    return np.clip(exposed, 0, 255).astype(np.uint8)
