"""Polygons, smoothing and shrinking in integer arithmetic: the same bits on every machine."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
IntArray = NDArray[np.int64]
Points = Sequence[Sequence[int]]
"""The corners (x, y) of a polygon."""

TURN = 1024
"""Angles are in units of 1/1024 turn."""
ONE = 1 << 14
"""Fixed-point one of sines and cosines."""
SUBPIXEL = 16
"""Canvas coordinates are in units of 1/16 pixel."""

# 14 bits: far coarser than the last bit, in which mathematics libraries differ.
_SINES = tuple(round(ONE * math.sin(2 * math.pi * angle / TURN)) for angle in range(TURN))


def sine(angle: int) -> int:
    """Return the sine of an angle in 1/`TURN` turn, in units of 1/`ONE`.

    >>> sine(256) == ONE
    True
    """
    return _SINES[angle % TURN]


def cosine(angle: int) -> int:
    """Return the cosine of an angle in 1/`TURN` turn, in units of 1/`ONE`."""
    return sine(angle + TURN // 4)


def signed_area(points: Points) -> int:
    """Return twice the signed area of a polygon, positive if clockwise on a canvas.

    Args:
        points: K corners (x, y) in order.

    >>> signed_area([(0, 0), (2, 0), (2, 1), (0, 1)])
    4
    """
    edges = zip(points, [*points[1:], points[0]], strict=True)
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in edges)


def fill_convex(canvas: IntArray, points: Points, colour: Sequence[int]) -> None:
    """Paint the pixels whose centre lies in a convex polygon or on its border.

    Args:
        canvas: (H, W, 3), changed in place.
        points: K corners (x, y) in order, either way round, in 1/`SUBPIXEL` pixel. They may lie
            outside the canvas.
        colour: Red, green and blue.
    """
    columns = _pixel_range([x for x, _ in points], canvas.shape[1])
    rows = _pixel_range([y for _, y in points], canvas.shape[0])
    area = signed_area(points)
    if area == 0 or not columns or not rows:
        return
    corners = np.array(points if area > 0 else points[::-1], dtype=np.int64)
    step = np.concatenate([corners[1:], corners[:1]]) - corners  # (K, 2)
    x = np.arange(columns.start, columns.stop, dtype=np.int64) * SUBPIXEL + SUBPIXEL // 2
    y = np.arange(rows.start, rows.stop, dtype=np.int64) * SUBPIXEL + SUBPIXEL // 2
    # Half-plane tests of all edges at once: (K, h, 1) against (K, 1, w).
    across = step[:, :1] * (y - corners[:, 1:])
    along = step[:, 1:] * (x - corners[:, :1])
    inside = (across[:, :, None] >= along[:, None, :]).all(axis=0)
    canvas[rows.start : rows.stop, columns.start : columns.stop][inside] = colour


def smooth(canvas: IntArray, *, axis: int) -> IntArray:
    """Return the canvas convolved with (1, 2, 1) / 4 along an axis, its border repeated.

    Args:
        canvas: (H, W, 3), values >= 0.
        axis: 0 smooths down the columns, 1 along the rows.
    """
    lines = canvas.swapaxes(0, axis)
    padded = np.concatenate([lines[:1], lines, lines[-1:]])
    smoothed: IntArray = (padded[2:] + 2 * lines + padded[:-2] + 2) // 4
    return smoothed.swapaxes(0, axis)


def shrink(canvas: IntArray, factor: int) -> IntArray:
    """Return the canvas with each `factor` x `factor` block of pixels replaced by its mean.

    Args:
        canvas: (factor H, factor W, 3), values >= 0.
        factor: At least 1.

    Returns:
        (H, W, 3), rounded to the nearest integer.
    """
    height, width, channels = canvas.shape
    blocks = canvas.reshape(height // factor, factor, width // factor, factor, channels)
    sums: IntArray = blocks.sum(axis=(1, 3))
    return (sums + factor * factor // 2) // (factor * factor)


def _pixel_range(values: Sequence[int], limit: int) -> range:
    """Return the pixels in [0, limit) that the values, in 1/`SUBPIXEL` pixel, span."""
    return range(max(min(values) // SUBPIXEL, 0), min(max(values) // SUBPIXEL + 1, limit))
