"""Vehicles built of parts: what the identities of the synthetic set look like.

Each identity draws its kind, proportions, paint and markings from its own generator. Lengths are
integers, in millimetres.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sfsc.data.raster import Colour
from sfsc.data.solids import (
    ENDS,
    FACES,
    SIDES,
    UV,
    Block,
    Decal,
    Face,
    Part,
    build_disc,
    build_part,
    rectangle,
)

GLASS: Colour = (46, 56, 66)
TYRE: Colour = (24, 24, 26)
HEADLIGHT: Colour = (236, 232, 206)
TAIL_LIGHT: Colour = (188, 26, 24)
NUMBER_PLATE: Colour = (218, 216, 200)
GRILLE: Colour = (34, 36, 40)
PLASTIC: Colour = (52, 54, 58)
"""Bumpers, roof boxes and the floor of a bed."""
CARGO: Colour = (212, 212, 208)
SUNROOF: Colour = (28, 34, 42)
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


Superstructure = Callable[[np.random.Generator, Design], Iterator[Part]]


@dataclass(frozen=True)
class Kind:
    """A kind of vehicle: the ranges of its proportions and what stands on its hull."""

    length: Range
    clearance: Range
    """Height of the hull's bottom."""
    body: Range
    """Height of the hull."""
    cabin: Range
    """Height of what stands on the hull."""
    superstructure: Superstructure


def build_vehicle(rng: np.random.Generator) -> tuple[Part, ...]:
    """Draw one vehicle.

    Args:
        rng: The identity's own generator.
    """
    kind = KINDS[rng.integers(len(KINDS))]
    design = _draw_design(rng, kind)
    return (
        *_wheels(rng, design.hull),
        build_part(design.hull, _plain(design.paint), _hull_decals(rng, design), level=1),
        *kind.superstructure(rng, design),
    )


def _draw_design(rng: np.random.Generator, kind: Kind) -> Design:
    half_length = _between(rng, kind.length) // 2
    half_width = _between(rng, (820, 960))
    clearance = _between(rng, kind.clearance)
    waist = clearance + _between(rng, kind.body)
    hull = Block(
        bottom=(-half_length, half_length),
        top=(40 - half_length, half_length - _between(rng, (40, 160))),
        half_width=(half_width, half_width - 30),
        height=(clearance, waist),
    )
    paint, upper = _vary(rng, PAINTS, 32), _vary(rng, PAINTS, 32)
    return Design(
        hull=hull,
        roof=waist + _between(rng, kind.cabin),
        paint=paint,
        upper=upper if rng.integers(2) else paint,
        accent=_vary(rng, ACCENTS, 24),
    )


def _wheels(rng: np.random.Generator, hull: Block) -> Iterator[Part]:
    """Per axle a dark block below the hull and, painted over the hull, a disc on each side."""
    radius = _between(rng, (290, 390))
    rim = RIMS[rng.integers(len(RIMS))]
    width = hull.half_width[0]
    rear, front = _between(rng, (620, 980)), _between(rng, (620, 900))
    for x in (hull.bottom[0] + rear, hull.bottom[1] - front):
        extent = (x - radius * 3 // 4, x + radius * 3 // 4)
        axle = Block(extent, extent, (width - 20, width - 20), (0, radius))
        yield build_part(axle, _plain(TYRE), (), level=0)
        for y in (-width - 15, width + 15):
            yield Part(2, (x, y), build_disc((x, y, radius), radius, (TYRE, rim)))


def _hull_decals(rng: np.random.Generator, design: Design) -> Iterator[Decal]:
    """Lights, number plates, bumpers and the markings of the hull."""
    height = (_between(rng, (420, 560)), _between(rng, (700, 820)))
    size = _between(rng, (130, 260))
    for across in ((50, 50 + size), (UV - 50 - size, UV - 50)):
        yield rectangle(("front",), across, height, HEADLIGHT)
        yield rectangle(("back",), across, height, TAIL_LIGHT)
    yield rectangle(ENDS, (400, 624), (180, 360), NUMBER_PLATE)
    yield rectangle(("front",), (330, 694), (460, 640), GRILLE)
    bumper = PLASTIC if rng.integers(2) else design.paint
    yield rectangle((*ENDS, *SIDES), (0, UV), (0, 140), bumper)
    yield from _markings(rng, design.accent)


def _markings(rng: np.random.Generator, accent: Colour) -> Iterator[Decal]:
    """Up to two of: a line around the hull, an emblem, a stripe on top, a lower half, a slash."""
    start = _between(rng, (280, 680))
    height = _between(rng, (90, 260))
    middle = _between(rng, (300, 720))
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
    u, v = _between(rng, (100, 300)), _between(rng, (250, 550))
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
    yield build_part(box, _plain((accent, PLASTIC)[choice]), (), level=4)


def _build_car(
    rng: np.random.Generator, design: Design, *, overhang: Range, slope: Range
) -> Iterator[Part]:
    """A cabin with windows all around, `overhang` from the rear, its rear window `slope` long."""
    hull = design.hull
    start, end = hull.top[0] + _between(rng, overhang), hull.top[1] - _between(rng, (900, 1350))
    cabin = Block(
        bottom=(start, end),
        top=(start + _between(rng, slope), end - _between(rng, (420, 850))),
        half_width=(hull.half_width[1] - 40, hull.half_width[1] - _between(rng, (130, 240))),
        height=(hull.height[1], design.roof),
    )
    pillar = _between(rng, (420, 600))
    decals = [
        rectangle(ENDS, (90, 934), (150, 880), GLASS),
        rectangle(SIDES, (90, pillar - 30), (150, 860), GLASS),
        rectangle(SIDES, (pillar + 30, 900), (150, 860), GLASS),
        *_roof_decals(rng, design.accent),
    ]
    roof = design.accent if rng.integers(4) == 0 else design.upper
    yield build_part(cabin, _plain(design.upper, top=roof), decals, level=3)
    yield from _roof_load(rng, cabin, design.accent)


def _build_saloon(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    return _build_car(rng, design, overhang=(480, 800), slope=(450, 750))


def _build_hatchback(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    return _build_car(rng, design, overhang=(0, 120), slope=(220, 560))


def _build_estate(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    return _build_car(rng, design, overhang=(0, 100), slope=(80, 240))


def _build_van(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    hull = design.hull
    end = hull.top[1] - _between(rng, (150, 600))
    cabin = Block(
        bottom=(hull.top[0], end),
        top=(hull.top[0] + 60, end - _between(rng, (350, 800))),
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
    yield build_part(cabin, _plain(design.upper), decals, level=3)
    yield from _roof_load(rng, cabin, design.accent)


def _build_pickup(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    hull = design.hull
    waist, width = hull.height[1], hull.half_width[1]
    end = hull.top[1] - _between(rng, (1000, 1400))
    start = end - _between(rng, (1500, 2300))
    cabin = Block(
        bottom=(start, end),
        top=(start + 150, end - _between(rng, (400, 700))),
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
    yield build_part(bed, _plain(PLASTIC if rng.integers(3) else design.accent), (), level=2)
    yield build_part(cabin, _plain(design.upper), decals, level=3)


def _build_lorry(rng: np.random.Generator, design: Design) -> Iterator[Part]:
    hull = design.hull
    waist, width = hull.height[1], hull.half_width[1]
    split = hull.top[1] - _between(rng, (1300, 1750))
    cab = Block(
        bottom=(split + 60, hull.top[1] - 40),
        top=(split + 60, hull.top[1] - _between(rng, (150, 500))),
        half_width=(width, width - 90),
        height=(waist, design.roof - _between(rng, (0, 500))),
    )
    extent = (hull.top[0], split)
    cargo = Block(
        extent, extent, (width + 60, width + 60), (waist, design.roof + _between(rng, (0, 400)))
    )
    windows = [
        rectangle(("front",), (80, 944), (250, 850), GLASS),
        rectangle(SIDES, (300, 900), (250, 820), GLASS),
    ]
    panels = [*_panel_decals(rng, design.accent), *_roof_decals(rng, design.accent)]
    box = _vary(rng, (CARGO,), 12) if rng.integers(3) == 0 else design.upper
    yield build_part(cab, _plain(design.paint), windows, level=3)
    yield build_part(cargo, _plain(box), panels, level=3)


KINDS: tuple[Kind, ...] = (
    Kind((4200, 4900), (200, 280), (560, 700), (480, 600), _build_saloon),
    Kind((3500, 4200), (200, 280), (580, 740), (520, 680), _build_hatchback),
    Kind((4400, 5000), (200, 360), (600, 800), (500, 720), _build_estate),
    Kind((4600, 5500), (240, 320), (750, 950), (850, 1300), _build_van),
    Kind((4900, 5500), (340, 460), (600, 760), (560, 700), _build_pickup),
    Kind((5300, 6300), (380, 480), (420, 560), (1300, 1700), _build_lorry),
)


def _plain(colour: Colour, *, top: Colour | None = None) -> dict[Face, Colour]:
    return dict.fromkeys(FACES, colour) | {"top": top or colour}


def _between(rng: np.random.Generator, bounds: Range) -> int:
    """Return a uniform integer within `bounds`, both included."""
    return int(rng.integers(bounds[0], bounds[1] + 1))


def _vary(rng: np.random.Generator, palette: tuple[Colour, ...], amount: int) -> Colour:
    """Return a colour of the palette, each channel changed by at most `amount`."""
    red, green, blue = palette[rng.integers(len(palette))]
    shift = rng.integers(-amount, amount + 1, size=3).tolist()
    return red + shift[0], green + shift[1], blue + shift[2]
