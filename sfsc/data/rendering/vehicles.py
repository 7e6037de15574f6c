"""The vehicles of the synthetic set: body style, proportions, paint and markings.

All lengths are integers, in millimetres.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sfsc.data.rendering.raster import Colour
from sfsc.data.rendering.solids import (
    ENDS,
    SIDES,
    UV,
    Box,
    Decal,
    Mesh,
    build_disc,
    build_mesh,
    rectangle,
)
from sfsc.data.rendering.superstructures import (
    PLASTIC,
    Design,
    Range,
    build_estate,
    build_hatchback,
    build_lorry,
    build_pickup,
    build_saloon,
    build_van,
    draw_between,
    paint_plain,
    vary_colour,
)

TYRE: Colour = (24, 24, 26)
HEADLIGHT: Colour = (236, 232, 206)
TAIL_LIGHT: Colour = (188, 26, 24)
NUMBER_PLATE: Colour = (218, 216, 200)
GRILLE: Colour = (34, 36, 40)
PAINTS: tuple[Colour, ...] = (
    (224, 224, 220),
    (168, 170, 174),
    (104, 107, 112),
    (40, 41, 45),
    (160, 38, 36),
    (42, 72, 142),
    (44, 88, 64),
    (206, 166, 52),
    (188, 168, 134),
    (98, 68, 48),
)
ACCENTS: tuple[Colour, ...] = (
    (232, 232, 228),
    (30, 30, 34),
    (196, 44, 40),
    (48, 92, 176),
    (226, 178, 44),
    (56, 128, 76),
    (214, 112, 36),
)
RIMS: tuple[Colour, ...] = ((190, 190, 192), (120, 120, 124), (44, 44, 46))

Superstructure = Callable[[np.random.Generator, Design], Iterator[Mesh]]


@dataclass(frozen=True)
class BodyStyle:
    """A body style: the ranges of its proportions, and its superstructure."""

    length: Range
    clearance: Range
    """z of the bottom of the hull."""
    body: Range
    """Height of the hull."""
    cabin: Range
    """Height of the superstructure."""
    superstructure: Superstructure


def build_vehicle(rng: np.random.Generator) -> tuple[Mesh, ...]:
    """Draw one vehicle.

    Args:
        rng: Generator of this vehicle alone.
    """
    style = BODY_STYLES[rng.integers(len(BODY_STYLES))]
    design = _draw_design(rng, style)
    return (
        *_wheels(rng, design.hull),
        build_mesh(design.hull, paint_plain(design.paint), _hull_decals(rng, design), level=1),
        *style.superstructure(rng, design),
    )


def _draw_design(rng: np.random.Generator, style: BodyStyle) -> Design:
    half_length = draw_between(rng, style.length) // 2
    half_width = draw_between(rng, (820, 960))
    clearance = draw_between(rng, style.clearance)
    waist = clearance + draw_between(rng, style.body)
    hull = Box(
        bottom=(-half_length, half_length),
        top=(40 - half_length, half_length - draw_between(rng, (40, 160))),
        half_width=(half_width, half_width - 30),
        height=(clearance, waist),
    )
    paint, upper = vary_colour(rng, PAINTS, 32), vary_colour(rng, PAINTS, 32)
    return Design(
        hull=hull,
        roof=waist + draw_between(rng, style.cabin),
        paint=paint,
        upper=upper if rng.integers(2) else paint,
        accent=vary_colour(rng, ACCENTS, 24),
    )


def _wheels(rng: np.random.Generator, hull: Box) -> Iterator[Mesh]:
    """Yield, for each axle, a dark box below the hull and a disc on each side, painted over it."""
    radius = draw_between(rng, (290, 390))
    rim = RIMS[rng.integers(len(RIMS))]
    width = hull.half_width[0]
    rear, front = draw_between(rng, (620, 980)), draw_between(rng, (620, 900))
    for x in (hull.bottom[0] + rear, hull.bottom[1] - front):
        extent = (x - radius * 3 // 4, x + radius * 3 // 4)
        axle = Box(extent, extent, (width - 20, width - 20), (0, radius))
        yield build_mesh(axle, paint_plain(TYRE), (), level=0)
        for y in (-width - 15, width + 15):
            yield Mesh(2, (x, y), build_disc((x, y, radius), radius, (TYRE, rim)))


def _hull_decals(rng: np.random.Generator, design: Design) -> Iterator[Decal]:
    """Yield lights, number plates, the grille, bumpers and markings of the hull."""
    height = (draw_between(rng, (420, 560)), draw_between(rng, (700, 820)))
    size = draw_between(rng, (130, 260))
    for across in ((50, 50 + size), (UV - 50 - size, UV - 50)):
        yield rectangle(("front",), across, height, HEADLIGHT)
        yield rectangle(("back",), across, height, TAIL_LIGHT)
    yield rectangle(ENDS, (400, 624), (180, 360), NUMBER_PLATE)
    yield rectangle(("front",), (330, 694), (460, 640), GRILLE)
    bumper = PLASTIC if rng.integers(2) else design.paint
    yield rectangle((*ENDS, *SIDES), (0, UV), (0, 140), bumper)
    yield from _markings(rng, design.accent)


def _markings(rng: np.random.Generator, accent: Colour) -> Iterator[Decal]:
    """Yield at most two markings: a line, an emblem, a stripe on top, a lower half or a slash."""
    start = draw_between(rng, (280, 680))
    height = draw_between(rng, (90, 260))
    middle = draw_between(rng, (300, 720))
    slash = ((middle - 200, 140), (middle, 140), (middle + 200, 900), (middle, 900))
    choices: tuple[list[Decal], ...] = (
        [],
        [rectangle((*SIDES, *ENDS), (0, UV), (start, start + height), accent)],
        [rectangle(SIDES, (middle - 90, middle + 90), (240, 860), accent)],
        [rectangle(("top",), (0, UV), (400, 624), accent)],
        [rectangle((*SIDES, *ENDS), (0, UV), (140, 480), accent)],
        [Decal(SIDES, slash, accent)],
    )
    first, second = rng.integers(len(choices), size=2).tolist()
    yield from choices[first]
    if second != first and rng.integers(3) == 0:
        yield from choices[second]


BODY_STYLES: tuple[BodyStyle, ...] = (
    BodyStyle((4200, 4900), (200, 280), (560, 700), (480, 600), build_saloon),
    BodyStyle((3500, 4200), (200, 280), (580, 740), (520, 680), build_hatchback),
    BodyStyle((4400, 5000), (200, 360), (600, 800), (500, 720), build_estate),
    BodyStyle((4600, 5500), (240, 320), (750, 950), (850, 1300), build_van),
    BodyStyle((4900, 5500), (340, 460), (600, 760), (560, 700), build_pickup),
    BodyStyle((5300, 6300), (380, 480), (420, 560), (1300, 1700), build_lorry),
)
