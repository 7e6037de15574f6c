"""What stands on a vehicle's hull: cabins, cargo boxes and what they carry on their roofs.

One function per kind of vehicle. Lengths are integers, in millimetres (see `sfsc.data.vehicles`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sfsc.data.raster import Colour
from sfsc.data.solids import ENDS, FACES, SIDES, UV, Block, Decal, Face, Part, build_part, rectangle

GLASS: Colour = (46, 56, 66)
PLASTIC: Colour = (52, 54, 58)
"""Bumpers, roof boxes and the floor of a bed."""
CARGO: Colour = (212, 212, 208)
SUNROOF: Colour = (28, 34, 42)

Range = tuple[int, int]


@dataclass(frozen=True)
class Design:
    """What the parts of one vehicle share."""

    hull: Block
    roof: int
    """Height of the roof."""
    paint: Colour
    upper: Colour
    """Paint of what stands on the hull: another in every second vehicle."""
    accent: Colour
    """Colour of the markings."""


def _roof_decals(rng: np.random.Generator, accent: Colour) -> Iterator[Decal]:
    """Perhaps a sunroof, a stripe along the roof or a field on it."""
    choice = rng.integers(5)
    if choice == 0:
        yield rectangle(("top",), (420, 760), (200, 824), SUNROOF)
    elif choice == 1:
        yield rectangle(("top",), (0, UV), (400, 624), accent)
    elif choice == 2:
        yield rectangle(("top",), (180, 640), (240, 784), accent)


def _panel_decals(rng: np.random.Generator, accent: Colour) -> Iterator[Decal]:
    """Perhaps a lettered field or a slanted band on the closed sides of a van or a lorry."""
    u, v = draw_between(rng, (100, 300)), draw_between(rng, (250, 550))
    choice = rng.integers(4)
    if choice == 0:
        yield rectangle(SIDES, (u, u + 380), (v, v + 260), accent)
    elif choice == 1:
        yield Decal(SIDES, ((u, 0), (u + 200, 0), (u + 420, UV), (u + 220, UV)), accent)
    elif choice == 2:
        yield rectangle((*SIDES, "back"), (0, UV), (v, v + 160), accent)


def _roof_load(rng: np.random.Generator, cabin: Block, accent: Colour) -> Iterator[Part]:
    """Perhaps a light bar or a box on the roof."""
    choice = rng.integers(6)
    start, end = cabin.top
    if choice > 1 or end - start < 700:
        return
    middle, half = (start + end) // 2, (110, 420)[choice]
    width = (cabin.half_width[1] * 3 // 4, 360)[choice]
    extent = (middle - half, middle + half)
    box = Block(
        extent, extent, (width, width), (cabin.height[1], cabin.height[1] + (130, 260)[choice])
    )
    yield build_part(box, paint_plain((accent, PLASTIC)[choice]), (), level=4)


def _build_car(
    rng: np.random.Generator, design: Design, *, overhang: Range, slope: Range
) -> Iterator[Part]:
    """A cabin with windows all around, `overhang` from the rear, its rear window `slope` long."""
    hull = design.hull
    start, end = (
        hull.top[0] + draw_between(rng, overhang),
        hull.top[1] - draw_between(rng, (900, 1350)),
    )
    cabin = Block(
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
    yield build_part(cabin, paint_plain(design.upper, top=roof), decals, level=3)
    yield from _roof_load(rng, cabin, design.accent)


def build_saloon(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    """Yield a cabin with a boot behind it."""
    return _build_car(rng, design, overhang=(480, 800), slope=(450, 750))


def build_hatchback(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    """Yield a cabin that ends in a slanted tailgate."""
    return _build_car(rng, design, overhang=(0, 120), slope=(220, 560))


def build_estate(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    """Yield a cabin that reaches to the upright rear."""
    return _build_car(rng, design, overhang=(0, 100), slope=(80, 240))


def build_van(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    """Yield a closed box, with windows or with markings on its sides."""
    hull = design.hull
    end = hull.top[1] - draw_between(rng, (150, 600))
    cabin = Block(
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
    yield build_part(cabin, paint_plain(design.upper), decals, level=3)
    yield from _roof_load(rng, cabin, design.accent)


def build_pickup(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    """Yield an open bed and a short cabin."""
    hull = design.hull
    waist, width = hull.height[1], hull.half_width[1]
    end = hull.top[1] - draw_between(rng, (1000, 1400))
    start = end - draw_between(rng, (1500, 2300))
    cabin = Block(
        bottom=(start, end),
        top=(start + 150, end - draw_between(rng, (400, 700))),
        half_width=(width - 40, width - 190),
        height=(waist, design.roof),
    )
    extent = (hull.top[0] + 80, start - 60)
    bed = Block(extent, extent, (width - 90, width - 90), (waist, waist + 10))
    decals = [
        rectangle(ENDS, (90, 934), (150, 880), GLASS),
        rectangle(SIDES, (120, 900), (150, 860), GLASS),
        *_roof_decals(rng, design.accent),
    ]
    yield build_part(bed, paint_plain(PLASTIC if rng.integers(3) else design.accent), (), level=2)
    yield build_part(cabin, paint_plain(design.upper), decals, level=3)


def build_lorry(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    """Yield a cab and a cargo box behind it."""
    hull = design.hull
    waist, width = hull.height[1], hull.half_width[1]
    split = hull.top[1] - draw_between(rng, (1300, 1750))
    cab = Block(
        bottom=(split + 60, hull.top[1] - 40),
        top=(split + 60, hull.top[1] - draw_between(rng, (150, 500))),
        half_width=(width, width - 90),
        height=(waist, design.roof - draw_between(rng, (0, 500))),
    )
    extent = (hull.top[0], split)
    cargo = Block(
        extent, extent, (width + 60, width + 60), (waist, design.roof + draw_between(rng, (0, 400)))
    )
    windows = [
        rectangle(("front",), (80, 944), (250, 850), GLASS),
        rectangle(SIDES, (300, 900), (250, 820), GLASS),
    ]
    panels = [*_panel_decals(rng, design.accent), *_roof_decals(rng, design.accent)]
    box = vary_colour(rng, (CARGO,), 12) if rng.integers(3) == 0 else design.upper
    yield build_part(cab, paint_plain(design.paint), windows, level=3)
    yield build_part(cargo, paint_plain(box), panels, level=3)


def paint_plain(colour: Colour, *, top: Colour | None = None) -> dict[Face, Colour]:
    """Return one colour for all faces, perhaps another for the top."""
    return dict.fromkeys(FACES, colour) | {"top": top or colour}


def draw_between(rng: np.random.Generator, bounds: Range) -> int:
    """Return a uniform integer within `bounds`, both included."""
    return int(rng.integers(bounds[0], bounds[1] + 1))


def vary_colour(rng: np.random.Generator, palette: tuple[Colour, ...], amount: int) -> Colour:
    """Return a colour of the palette, each channel changed by at most `amount`."""
    red, green, blue = palette[rng.integers(len(palette))]
    shift = rng.integers(-amount, amount + 1, size=3).tolist()
    return red + shift[0], green + shift[1], blue + shift[2]
