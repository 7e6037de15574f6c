"""Pictures of vehicles, each with a viewpoint, framing, exposure and occluder of its own."""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from sfsc.data.rendering.cameras import Camera
from sfsc.data.rendering.raster import (
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
from sfsc.data.rendering.solids import Face, Mesh, Polygon

OVERSAMPLING = 3
"""The canvas has this many times the height and width of the picture."""
DISTANCE = 11_000
"""Distance from the camera to the middle of the vehicle, millimetres."""
EYE_LEVEL = 700
"""Height of the point that the camera looks at, millimetres."""
SHADOW: Colour = (34, 34, 38)
LANE: Colour = (196, 194, 184)
POLE: Colour = (70, 72, 74)
LEAF: Colour = (34, 62, 30)
BARRIER: Colour = (176, 178, 180)


def take_picture(
    vehicle: Sequence[Mesh], camera: Camera, rng: np.random.Generator, *, size: int
) -> NDArray[np.uint8]:
    """Return a picture of a vehicle.

    Args:
        vehicle: The meshes of the vehicle.
        camera: The camera.
        rng: Generator of this picture alone.
        size: Side of the picture, pixels.

    Returns:
        uint8 RGB, shape (size, size, 3).
    """
    canvas = _draw_background(camera, rng, size * OVERSAMPLING)
    yaw = camera.yaw + int(rng.integers(-camera.yaw_range, camera.yaw_range + 1))
    elevation = int(rng.integers(camera.elevation[0], camera.elevation[1] + 1))
    _draw_vehicle(canvas, vehicle, camera, rng, angles=(yaw, elevation))
    _draw_occluder(canvas, camera, rng)
    for _ in range(camera.blur):
        canvas = smooth(smooth(canvas, axis=0), axis=1)
    for _ in range(3 * int(rng.integers(0, 4) == 0)):  # motion blur of every fourth vehicle
        canvas = smooth(canvas, axis=1)
    return _develop(shrink(canvas, OVERSAMPLING), camera, rng)


def _draw_background(camera: Camera, rng: np.random.Generator, side: int) -> IntArray:
    """Return a canvas with a wall, the ground, a lane marking and stains."""
    canvas = np.empty((side, side, 3), dtype=np.int64)
    horizon = side * (camera.horizon * 4 + int(rng.integers(-4, 5))) // 64
    canvas[:horizon] = camera.wall
    canvas[horizon:] = camera.ground
    step = side * SUBPIXEL // 16
    near, far = camera.line[0] * step + int(rng.integers(-step, step + 1)), camera.line[1] * step
    bottom, top = side * SUBPIXEL, horizon * SUBPIXEL
    lane = [(near, bottom), (near + step, bottom), (far + step // 3, top), (far, top)]
    fill_convex(canvas, lane, LANE)
    for _ in range(6):
        _draw_stain(canvas, rng, step)
    return canvas


def _draw_stain(canvas: IntArray, rng: np.random.Generator, step: int) -> None:
    """Paint a rectangle a little brighter or darker than the background."""
    x, y, width, height = (rng.integers(0, 16, size=4) * step).tolist()
    shade = int(rng.integers(-28, 29))
    background = canvas[min(y // SUBPIXEL, len(canvas) - 1), 0]
    colour = np.clip(background + shade, 0, 255).tolist()
    _fill_box(canvas, (x, x + width // 2), (y, y + height // 4), colour)


def _draw_vehicle(
    canvas: IntArray,
    vehicle: Sequence[Mesh],
    camera: Camera,
    rng: np.random.Generator,
    *,
    angles: tuple[int, int],
) -> None:
    """Paint the shadow and then the vehicle, its far meshes first."""
    yaw, _ = angles
    ordered = sorted(vehicle, key=lambda mesh: (mesh.level, _nearness(mesh, yaw)))
    polygons = [polygon for mesh in ordered for polygon in mesh.polygons]
    points = np.concatenate([polygon.points for polygon in polygons])
    framed = _frame(_project(points, angles), len(canvas), rng)
    _draw_shadow(canvas, framed)
    _paint(canvas, polygons, framed, _light_faces(camera, yaw))


def _nearness(mesh: Mesh, yaw: int) -> int:
    x, y = mesh.centre
    return x * cosine(yaw) + y * sine(yaw)


def _project(points: IntArray, angles: tuple[int, int]) -> IntArray:
    """Return the perspective projection of points in space.

    Args:
        points: (T, 3), millimetres.
        angles: Yaw and elevation. Yaw 0 sees the front, a quarter turn the left side.

    Returns:
        (T, 2): x and y in arbitrary units, y downwards.
    """
    yaw, elevation = angles
    x, y, z = points.T
    towards = (x * cosine(yaw) + y * sine(yaw)) // ONE
    right = (y * cosine(yaw) - x * sine(yaw)) // ONE
    up = z - EYE_LEVEL
    depth = DISTANCE - (towards * cosine(elevation) + up * sine(elevation)) // ONE
    height = (up * cosine(elevation) - towards * sine(elevation)) // ONE
    return np.stack([(right << 16) // depth, -((height << 16) // depth)], axis=1)


def _frame(points: IntArray, side: int, rng: np.random.Generator) -> IntArray:
    """Scale and move the vehicle to fill most of the picture, like the crop of a detector."""
    low, high = points.min(axis=0), points.max(axis=0)
    share = int(rng.integers(800, 981))
    extent = int((high - low).max())
    jitter = rng.integers(-side * SUBPIXEL // 20, side * SUBPIXEL // 20 + 1, size=2)
    scaled = (2 * points - low - high) * (side * SUBPIXEL * share) // (2 * 1024 * extent)
    framed: IntArray = scaled + side * SUBPIXEL // 2 + jitter
    return framed


def _draw_shadow(canvas: IntArray, points: IntArray) -> None:
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    x, y = (left + right) // 2, bottom - (bottom - top) // 7
    width, height = (right - left) // 2, (bottom - top) // 6
    around = range(0, TURN, TURN // 16)
    ellipse = [(x + width * cosine(a) // ONE, y + height * sine(a) // ONE) for a in around]
    fill_convex(canvas, ellipse, SHADOW)


def _light_faces(camera: Camera, yaw: int) -> dict[Face, int]:
    """Return the brightness of each face, in 1/256."""
    directions: dict[Face, int] = {"front": 0, "left": 256, "back": 512, "right": 768}
    sides = {
        face: 196 + 46 * cosine(angle - yaw - camera.light) // ONE
        for face, angle in directions.items()
    }
    return {**sides, "top": 262}


def _paint(
    canvas: IntArray, polygons: Sequence[Polygon], points: IntArray, light: Mapping[Face, int]
) -> None:
    """Paint the polygons that face the camera; `points` are the corners of all, in order."""
    corners = iter(points.tolist())
    for polygon in polygons:
        outline = list(islice(corners, len(polygon.points)))
        if signed_area(outline) < 0:  # anticlockwise on the canvas: its outside is seen
            colour = [channel * light[polygon.face] // 256 for channel in polygon.colour]
            fill_convex(canvas, outline, colour)


def _draw_occluder(canvas: IntArray, camera: Camera, rng: np.random.Generator) -> None:
    """Paint the camera's occluder over one vehicle in three, on average."""
    side = len(canvas) * SUBPIXEL
    x, width = int(rng.integers(0, side)), int(rng.integers(side // 24, side // 8))
    if camera.occluder == "none" or rng.integers(3):
        return
    if camera.occluder == "pole":
        _fill_box(canvas, (x, x + width // 2), (0, side), POLE)
    elif camera.occluder == "foliage":
        for _ in range(12):
            left, top = x + int(rng.integers(-width, width)), int(rng.integers(0, side))
            shade = int(rng.integers(0, 40))
            leaf = [channel + shade for channel in LEAF]
            _fill_box(canvas, (left, left + width), (top, top + width), leaf)
    else:
        top = side - int(rng.integers(side // 16, side // 4))
        _fill_box(canvas, (0, side), (top, top + width), BARRIER)


def _fill_box(
    canvas: IntArray, x: tuple[int, int], y: tuple[int, int], colour: Sequence[int]
) -> None:
    fill_convex(canvas, [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])], colour)


def _develop(picture: IntArray, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Apply exposure, colour cast and noise."""
    exposure = int(rng.integers(camera.exposure[0], camera.exposure[1] + 1))
    noise = rng.integers(-camera.noise, camera.noise + 1, size=(2, *picture.shape)).sum(axis=0)
    exposed = picture * exposure * np.array(camera.gain) // (256 * 256) + noise
    developed: NDArray[np.uint8] = np.clip(exposed, 0, 255).astype(np.uint8)
    return developed
