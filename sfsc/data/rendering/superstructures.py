"""Cabins, cargo boxes and roof loads: what stands on the hull of each body style."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sfsc.data.rendering.raster import Colour
from sfsc.data.rendering.solids import (
    ENDS,
    FACES,
    SIDES,
    UV,
    Box,
    Decal,
    Face,
    Mesh,
    build_mesh,
    rectangle,
)

GLASS: Colour = (46, 56, 66)
PLASTIC: Colour = (52, 54, 58)
"""Colour of bumpers, roof boxes and the bed of a pickup."""
CARGO: Colour = (212, 212, 208)
SUNROOF: Colour = (28, 34, 42)

Range = tuple[int, int]


@dataclass(frozen=True)
class Design:
    """What the meshes of one vehicle share."""

    hull: Box
    roof: int
    """z of the roof."""
    paint: Colour
    upper: Colour
    """Paint of the superstructure: in one vehicle of two it differs from the hull's."""
    accent: Colour
    """Colour of stripes, fields and other markings."""


def _roof_decals(rng: np.random.Generator, accent: Colour) -> Iterator[Decal]:
    """Yield a sunroof, a stripe along the roof, a field on it, or nothing."""
    choice = rng.integers(5)
    if choice == 0:
        yield rectangle(("top",), (420, 760), (200, 824), SUNROOF)
    elif choice == 1:
        yield rectangle(("top",), (0, UV), (400, 624), accent)
    elif choice == 2:
        yield rectangle(("top",), (180, 640), (240, 784), accent)


def _panel_decals(rng: np.random.Generator, accent: Colour) -> Iterator[Decal]:
    """Yield a field, a slanted band or a stripe on the closed sides of a van or lorry, or none."""
    u, v = draw_between(rng, (100, 300)), draw_between(rng, (250, 550))
    choice = rng.integers(4)
    if choice == 0:
        yield rectangle(SIDES, (u, u + 380), (v, v + 260), accent)
    elif choice == 1:
        yield Decal(SIDES, ((u, 0), (u + 200, 0), (u + 420, UV), (u + 220, UV)), accent)
    elif choice == 2:
        yield rectangle((*SIDES, "back"), (0, UV), (v, v + 160), accent)


def _roof_load(rng: np.random.Generator, cabin: Box, accent: Colour) -> Iterator[Mesh]:
    """Yield a light bar or a box on the roof, or nothing."""
    choice = rng.integers(6)
    start, end = cabin.top
    if choice > 1 or end - start < 700:
        return
    middle, half = (start + end) // 2, (110, 420)[choice]
    width = (cabin.half_width[1] * 3 // 4, 360)[choice]
    extent = (middle - half, middle + half)
    box = Box(
        extent, extent, (width, width), (cabin.height[1], cabin.height[1] + (130, 260)[choice])
    )
    yield build_mesh(box, paint_plain((accent, PLASTIC)[choice]), (), level=4)


def _build_car(
    rng: np.random.Generator, design: Design, *, overhang: Range, slope: Range
) -> Iterator[Mesh]:
    """Yield a cabin with windows all around, and its roof load.

    Args:
        rng: Generator of the vehicle.
        design: Its design.
        overhang: Range of the distance from the rear of the hull to the cabin.
        slope: Range of the length of the rear window, seen from above.
    """
    hull = design.hull
    start, end = (
        hull.top[0] + draw_between(rng, overhang),
        hull.top[1] - draw_between(rng, (900, 1350)),
    )
    cabin = Box(
        bottom=(start, end),
        top=(start + draw_between(rng, slope), end - draw_between(rng, (420, 850))),
        half_width=(hull.half_width[1] - 40, hull.half_width[1] - draw_between(rng, (130, 240))),
        height=(hull.height[1], design.roof),
    )
    pillar = draw_between(rng, (420, 600))
    decals = [
        rectangle(ENDS, (90, 934), (150, 880), GLASS),
        rectangle(SIDES, (90, pillar - 30), (150, 860), GLASS),
        rectangle(SIDES, (pillar + 30, 900), (150, 860), GLASS),
        *_roof_decals(rng, design.accent),
    ]
    roof = design.accent if rng.integers(4) == 0 else design.upper
    yield build_mesh(cabin, paint_plain(design.upper, top=roof), decals, level=3)
    yield from _roof_load(rng, cabin, design.accent)


def build_saloon(rng: np.random.Generator, design: Design) -> Iterator[Mesh]:
    """Yield a cabin with a boot behind it."""
    return _build_car(rng, design, overhang=(480, 800), slope=(450, 750))


def build_hatchback(rng: np.random.Generator, design: Design) -> Iterator[Mesh]:
    """Yield a cabin that ends in a slanted tailgate."""
    return _build_car(rng, design, overhang=(0, 120), slope=(220, 560))


def build_estate(rng: np.random.Generator, design: Design) -> Iterator[Mesh]:
    """Yield a cabin that reaches to the upright rear."""
    return _build_car(rng, design, overhang=(0, 100), slope=(80, 240))


def build_van(rng: np.random.Generator, design: Design) -> Iterator[Mesh]:
    """Yield a closed box with windows or markings on its sides."""
    hull = design.hull
    end = hull.top[1] - draw_between(rng, (150, 600))
    cabin = Box(
        bottom=(hull.top[0], end),
        top=(hull.top[0] + 60, end - draw_between(rng, (350, 800))),
        half_width=(hull.half_width[1], hull.half_width[1] - 120),
        height=(hull.height[1], design.roof),
    )
    decals = [
        rectangle(("front",), (70, 954), (100, 800), GLASS),
        rectangle(("back",), (120, 904), (350, 800), GLASS),
        rectangle(SIDES, (760, 960), (150, 780), GLASS),
        *(
            [rectangle(SIDES, (80, 700), (250, 780), GLASS)]
            if rng.integers(2)
            else _panel_decals(rng, design.accent)
        ),
        *_roof_decals(rng, design.accent),
    ]
    yield build_mesh(cabin, paint_plain(design.upper), decals, level=3)
    yield from _roof_load(rng, cabin, design.accent)


def build_pickup(rng: np.random.Generator, design: Design) -> Iterator[Mesh]:
    """Yield an open bed and a short cabin."""
    hull = design.hull
    waist, width = hull.height[1], hull.half_width[1]
    end = hull.top[1] - draw_between(rng, (1000, 1400))
    start = end - draw_between(rng, (1500, 2300))
    cabin = Box(
        bottom=(start, end),
        top=(start + 150, end - draw_between(rng, (400, 700))),
        half_width=(width - 40, width - 190),
        height=(waist, design.roof),
    )
    extent = (hull.top[0] + 80, start - 60)
    bed = Box(extent, extent, (width - 90, width - 90), (waist, waist + 10))
    decals = [
        rectangle(ENDS, (90, 934), (150, 880), GLASS),
        rectangle(SIDES, (120, 900), (150, 860), GLASS),
        *_roof_decals(rng, design.accent),
    ]
    yield build_mesh(bed, paint_plain(PLASTIC if rng.integers(3) else design.accent), (), level=2)
    yield build_mesh(cabin, paint_plain(design.upper), decals, level=3)


def build_lorry(rng: np.random.Generator, design: Design) -> Iterator[Mesh]:
    """Yield a cab and a cargo box behind it."""
    hull = design.hull
    waist, width = hull.height[1], hull.half_width[1]
    split = hull.top[1] - draw_between(rng, (1300, 1750))
    cab = Box(
        bottom=(split + 60, hull.top[1] - 40),
        top=(split + 60, hull.top[1] - draw_between(rng, (150, 500))),
        half_width=(width, width - 90),
        height=(waist, design.roof - draw_between(rng, (0, 500))),
    )
    extent = (hull.top[0], split)
    cargo = Box(
        extent, extent, (width + 60, width + 60), (waist, design.roof + draw_between(rng, (0, 400)))
    )
    windows = [
        rectangle(("front",), (80, 944), (250, 850), GLASS),
        rectangle(SIDES, (300, 900), (250, 820), GLASS),
    ]
    panels = [*_panel_decals(rng, design.accent), *_roof_decals(rng, design.accent)]
    box = vary_colour(rng, (CARGO,), 12) if rng.integers(3) == 0 else design.upper
    yield build_mesh(cab, paint_plain(design.paint), windows, level=3)
    yield build_mesh(cargo, paint_plain(box), panels, level=3)


def paint_plain(colour: Colour, *, top: Colour | None = None) -> dict[Face, Colour]:
    """Return one colour for all faces, or another for the top."""
    return dict.fromkeys(FACES, colour) | {"top": top or colour}


def draw_between(rng: np.random.Generator, bounds: Range) -> int:
    """Draw an integer uniformly between the bounds, both included."""
    return int(rng.integers(bounds[0], bounds[1] + 1))


def vary_colour(rng: np.random.Generator, palette: tuple[Colour, ...], amount: int) -> Colour:
    """Draw a colour of the palette and change each channel by at most `amount`."""
    red, green, blue = palette[rng.integers(len(palette))]
    shift = rng.integers(-amount, amount + 1, size=3).tolist()
    return red + shift[0], green + shift[1], blue + shift[2]
