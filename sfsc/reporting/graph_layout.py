"""A small graph drawn from top to bottom: where its boxes and lines are, for an SVG in the page."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from sfsc.reporting.rule_graph import Graph
from sfsc.reporting.style import spread

BOX_HEIGHT, ROW_HEIGHT = 42, 80
GAP = 16
"""Between boxes beside each other."""
LETTER = 7.3
"""Width of a letter of the names, a monospaced font of 12 pixels."""
SWEEPS = 20
"""The rules of all shipped studies stay in place after fewer."""

Point = tuple[str, int]
"""A node and its row; or a row above it, where the lines to it that pass that row have joined."""
Link = tuple[Point, Point]


@dataclass(frozen=True)
class Box:
    """A node; pixels."""

    name: str
    note: str
    left: float
    top: float


@dataclass(frozen=True)
class Line:
    """What joins two rows."""

    path: str
    """SVG."""
    is_arrow: bool
    """Whether it ends at a box."""


@dataclass(frozen=True)
class Picture:
    """What is drawn; pixels."""

    width: float
    height: float
    box_width: float
    box_height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def draw_graph(graph: Graph, notes: Mapping[str, str]) -> Picture:
    """Place each node in a row below all that it needs.

    Args:
        graph: Node to the nodes that need what it makes.
        notes: The second line in each node's box.
    """
    rows = _rows(graph)
    links = sorted(_links(graph, rows))
    box_width = round(LETTER * max(map(len, graph))) + 20
    middles = _middles({*rows.items(), *itertools.chain(*links)}, links, box_width + GAP)
    return Picture(
        width=max(middles.values()) + box_width / 2,
        height=ROW_HEIGHT * max(rows.values()) + BOX_HEIGHT,
        box_width=box_width,
        box_height=BOX_HEIGHT,
        boxes=tuple(
            Box(name, notes[name], middles[name, row] - box_width / 2, ROW_HEIGHT * row)
            for name, row in rows.items()
        ),
        lines=tuple(
            _line(link, middles, is_arrow=rows[link[1][0]] == link[1][1]) for link in links
        ),
    )


def _rows(graph: Graph) -> dict[str, int]:
    """Return the row of each node: below all that it needs, or, without needs, above its use."""
    rows = dict.fromkeys(graph, 0)
    for _ in graph:  # no way has more edges
        for source, targets in graph.items():
            for target in targets:
                rows[target] = max(rows[target], rows[source] + 1)
    first = graph.keys() - set().union(*graph.values())
    return rows | {node: min(rows[target] for target in graph[node]) - 1 for node in first}


def _links(graph: Graph, rows: Mapping[str, int]) -> set[Link]:
    """Return the pieces of all edges, from each row to the next one."""
    return {
        link
        for source, targets in graph.items()
        for target in targets
        for link in itertools.pairwise(
            [
                (source, rows[source]),
                *((target, row) for row in range(rows[source] + 1, rows[target] + 1)),
            ]
        )
    }


def _middles(points: Iterable[Point], links: Iterable[Link], slot: int) -> dict[Point, float]:
    """Return how far right each point is: below those that it is linked with, in a slot of its own.

    Sweeps that heed the points above and below find the order in each row, so that few lines cross;
    the last one heeds those above alone, so that ways lead straight down.
    """
    places = dict.fromkeys(sorted(points), 0.0)
    above: dict[Point, list[Point]] = {point: [] for point in places}
    around: dict[Point, list[Point]] = {point: [] for point in places}
    for start, end in links:
        above[end].append(start)
        around[end].append(start)
        around[start].append(end)
    rows = {
        row: [point for point in places if point[1] == row]
        for row in sorted({row for _, row in places})
    }
    for heeded in (*[around] * SWEEPS, above):
        for row in rows.values():
            row.sort(key=places.__getitem__)
            wanted = [fmean(map(places.__getitem__, heeded[p] or [p])) for p in row]
            places.update(zip(row, spread(np.array(wanted), slot).tolist(), strict=True))
    left = min(places.values()) - (slot - GAP) / 2
    return {point: round(place - left, 1) for point, place in places.items()}


def _line(link: Link, middles: Mapping[Point, float], *, is_arrow: bool) -> Line:
    """Return the curve between two rows, and on through the row if no box is there."""
    (start, end), (x, to) = link, (middles[point] for point in link)
    top, bottom = ROW_HEIGHT * start[1] + BOX_HEIGHT, ROW_HEIGHT * end[1]
    half = (top + bottom) / 2
    curve = f"M{x:g} {top}C{x:g} {half:g} {to:g} {half:g} {to:g} {bottom}"
    return Line(curve if is_arrow else f"{curve}v{BOX_HEIGHT}", is_arrow)
