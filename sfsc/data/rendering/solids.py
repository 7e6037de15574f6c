"""Boxes, wheels and the decals on them, as meshes of flat coloured polygons.

The axes point forward (x), left (y) and up (z). The origin is on the ground below the middle of the
vehicle. Lengths are integers, in millimetres.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sfsc.data.rendering.raster import ONE, TURN, Colour, IntArray, cosine, sine

Face = Literal["front", "back", "left", "right", "top"]
FACES: tuple[Face, ...] = get_args(Face)
SIDES: tuple[Face, ...] = ("left", "right")
ENDS: tuple[Face, ...] = ("front", "back")
UV = 1024
"""Decals are placed in units of 1/1024 of the width and height of their face."""


@dataclass(frozen=True)
class Box:
    """A box whose top may be smaller than its bottom: its sides are flat trapezoids."""

    bottom: tuple[int, int]
    """x of the rear and front ends at the bottom."""
    top: tuple[int, int]
    """x of the rear and front ends at the top."""
    half_width: tuple[int, int]
    """Largest y at the bottom and at the top."""
    height: tuple[int, int]
    """z of the bottom and of the top."""

    def corners(self, face: Face) -> IntArray:
        """Return the (4, 3) corners of a face at (u, v) = (0, 0), (1, 0), (1, 1), (0, 1).

        On the sides and ends v runs up. On the sides and the top u runs forward.
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
    """A flat convex polygon."""

    points: IntArray
    """(K, 3) corners, anticlockwise when seen from outside."""
    colour: Colour
    face: Face
    """The direction it faces, which decides its brightness."""


@dataclass(frozen=True)
class Mesh:
    """Polygons that are painted together."""

    level: int
    """Meshes of a lower level are painted first; within a level, the farthest first."""
    centre: tuple[int, int]
    """x and y, which decide how far the mesh is from the camera."""
    polygons: tuple[Polygon, ...]


@dataclass(frozen=True)
class Decal:
    """A convex polygon on some faces of a box, with corners (u, v) in 1/`UV` of a face."""

    faces: tuple[Face, ...]
    corners: tuple[tuple[int, int], ...]
    colour: Colour


def rectangle(
    faces: Iterable[Face], u: tuple[int, int], v: tuple[int, int], colour: Colour
) -> Decal:
    """Return a decal that covers [u0, u1] x [v0, v1] of each of `faces`."""
    return Decal(tuple(faces), ((u[0], v[0]), (u[1], v[0]), (u[1], v[1]), (u[0], v[1])), colour)


def build_mesh(
    box: Box, colours: dict[Face, Colour], decals: Iterable[Decal], *, level: int
) -> Mesh:
    """Return the faces of a box, each followed by the decals on it."""
    decals = tuple(decals)
    polygons = []
    for face in FACES:
        corners = box.corners(face)
        marks = [(_place(corners, decal), decal.colour) for decal in decals if face in decal.faces]
        polygons += [
            Polygon(_turn_outwards(points, face), colour, face)
            for points, colour in [(corners, colours[face]), *marks]
        ]
    return Mesh(level, ((box.bottom[0] + box.bottom[1]) // 2, 0), tuple(polygons))


def build_disc(
    centre: tuple[int, int, int], radius: int, colours: tuple[Colour, Colour]
) -> tuple[Polygon, ...]:
    """Return a wheel seen from its side: a tyre and, on it, a rim of 5/8 of the radius.

    Args:
        centre: x, y and z. A wheel with y > 0 is on the left and faces left.
        radius: Radius of the tyre.
        colours: Colours of the tyre and the rim.
    """
    face: Face = "left" if centre[1] > 0 else "right"
    return tuple(
        Polygon(_turn_outwards(_circle(centre, size), face), colour, face)
        for size, colour in zip((radius, radius * 5 // 8), colours, strict=True)
    )


def _turn_outwards(points: IntArray, face: Face) -> IntArray:
    """Return corners anticlockwise from outside: on a left face, u forward, they are clockwise."""
    return points[::-1] if face == "left" else points


def _circle(centre: tuple[int, int, int], radius: int) -> IntArray:
    around = range(0, TURN, TURN // 12)
    x, y, z = centre
    return np.array(
        [(x + radius * cosine(a) // ONE, y, z + radius * sine(a) // ONE) for a in around],
        dtype=np.int64,
    )


def _place(corners: IntArray, decal: Decal) -> IntArray:
    """Return the decal's corners in space, interpolated between the corners of its face."""
    u, v = np.array(decal.corners, dtype=np.int64).T[:, :, None]
    low = corners[0] * (UV - u) + corners[1] * u
    high = corners[3] * (UV - u) + corners[2] * u
    placed: IntArray = (low * (UV - v) + high * v) // (UV * UV)
    return placed
