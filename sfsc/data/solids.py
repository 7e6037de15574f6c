"""Solids built of flat coloured faces: the material of the synthetic set's vehicles.

Axes: x forward, y left, z up, in millimetres from the middle of the vehicle on the ground. All
numbers are integers (see `sfsc.data.raster`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sfsc.data.raster import ONE, TURN, Colour, IntArray, cosine, sine

Face = Literal["front", "back", "left", "right", "top"]
FACES: tuple[Face, ...] = get_args(Face)
SIDES: tuple[Face, ...] = ("left", "right")
ENDS: tuple[Face, ...] = ("front", "back")
UV = 1024
"""A face is 1024 x 1024 units wide and high, whatever its shape."""


@dataclass(frozen=True)
class Block:
    """A box whose top may be narrower than its bottom: its faces are flat trapezoids."""

    bottom: tuple[int, int]
    """Rear and front end at the bottom, x."""
    top: tuple[int, int]
    """Rear and front end at the top, x."""
    half_width: tuple[int, int]
    """At the bottom and at the top, y."""
    height: tuple[int, int]
    """Of the bottom and of the top, z."""

    def corners(self, face: Face) -> IntArray:
        """Return the (4, 3) corners of a face at (u, v) = (0, 0), (1, 0), (1, 1), (0, 1).

        On the sides v runs up and u from the rear to the front; on the ends v runs up; on the top u
        runs forward.
        """
        (b0, b1), (t0, t1), (wb, wt), (zb, zt) = self.bottom, self.top, self.half_width, self.height
        table = {
            "front": [(b1, -wb, zb), (b1, wb, zb), (t1, wt, zt), (t1, -wt, zt)],
            "back": [(b0, wb, zb), (b0, -wb, zb), (t0, -wt, zt), (t0, wt, zt)],
            "left": [(b0, wb, zb), (b1, wb, zb), (t1, wt, zt), (t0, wt, zt)],
            "right": [(b0, -wb, zb), (b1, -wb, zb), (t1, -wt, zt), (t0, -wt, zt)],
            "top": [(t0, -wt, zt), (t1, -wt, zt), (t1, wt, zt), (t0, wt, zt)],
        }
        return np.array(table[face], dtype=np.int64)


@dataclass(frozen=True)
class Polygon:
    """A flat convex piece of surface."""

    points: IntArray
    """(K, 3) corners, anticlockwise seen from outside."""
    colour: Colour
    face: Face
    """Which way it looks: decides how it is lit."""


@dataclass(frozen=True)
class Part:
    """Pieces of surface that are painted together."""

    level: int
    """Parts of a lower level are painted first; within a level the farthest is."""
    centre: tuple[int, int]
    """x, y."""
    polygons: tuple[Polygon, ...]


@dataclass(frozen=True)
class Decal:
    """A mark on a face, its corners (u, v) in 1/`UV` of the face's sides."""

    faces: tuple[Face, ...]
    corners: tuple[tuple[int, int], ...]
    colour: Colour


def rectangle(
    faces: Iterable[Face], u: tuple[int, int], v: tuple[int, int], colour: Colour
) -> Decal:
    """Return a decal that covers [u0, u1] x [v0, v1] of each of `faces`."""
    return Decal(tuple(faces), ((u[0], v[0]), (u[1], v[0]), (u[1], v[1]), (u[0], v[1])), colour)


def build_part(
    block: Block, colours: dict[Face, Colour], decals: Iterable[Decal], *, level: int
) -> Part:
    """Return the faces of a block, each followed by the decals on it."""
    decals = tuple(decals)
    polygons = []
    for face in FACES:
        corners = block.corners(face)
        marks = [(_place(corners, decal), decal.colour) for decal in decals if face in decal.faces]
        polygons += [
            Polygon(_turn_outwards(points, face), colour, face)
            for points, colour in [(corners, colours[face]), *marks]
        ]
    return Part(level, ((block.bottom[0] + block.bottom[1]) // 2, 0), tuple(polygons))


def build_disc(
    centre: tuple[int, int, int], radius: int, colours: tuple[Colour, Colour]
) -> tuple[Polygon, ...]:
    """Return a wheel seen from its side: the tyre and, on it, the rim of 5/8 of its radius.

    Args:
        centre: x, y, z; y > 0 is a wheel on the left, which looks left.
        radius: Of the tyre, millimetres.
        colours: Of the tyre and the rim.
    """
    face: Face = "left" if centre[1] > 0 else "right"
    return tuple(
        Polygon(_turn_outwards(_circle(centre, size), face), colour, face)
        for size, colour in zip((radius, radius * 5 // 8), colours, strict=True)
    )


def _turn_outwards(points: IntArray, face: Face) -> IntArray:
    """Return corners anticlockwise from outside; those of a left face, u forward, are clockwise."""
    return points[::-1] if face == "left" else points


def _circle(centre: tuple[int, int, int], radius: int) -> IntArray:
    around = range(0, TURN, TURN // 12)
    x, y, z = centre
    return np.array(
        [(x + radius * cosine(a) // ONE, y, z + radius * sine(a) // ONE) for a in around],
        dtype=np.int64,
    )


def _place(corners: IntArray, decal: Decal) -> IntArray:
    """Return the decal's corners in space: bilinear in the face's corners."""
    u, v = np.array(decal.corners, dtype=np.int64).T[:, :, None]
    low = corners[0] * (UV - u) + corners[1] * u
    high = corners[3] * (UV - u) + corners[2] * u
    placed: IntArray = (low * (UV - v) + high * v) // (UV * UV)
    return placed
