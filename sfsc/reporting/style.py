"""How figures look: colours, sizes, and files that are the same bytes on every run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from sfsc.files import replacing
from sfsc.reporting.names import method_colour, name_lines
from sfsc.reporting.runs import Group

mpl.use("agg")

HIT, MISS = "#009E73", "#C1272D"
INK, MUTED, FAINT = "#1A1A1A", "#6B6B6B", "#DDDDDD"
HEAT_MAP = "YlGnBu"

PAGE = 7.1
"""Width of a figure across both columns of a paper, inches."""
PNG_DPI = 200

_THEME: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": cycler(color=[INK]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "sfsc",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 7,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "xtick.minor.size": 0,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 7,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
    "ytick.minor.size": 0,
}


@contextmanager
def theme() -> Iterator[None]:
    """Draw in the house style, whatever the user's own matplotlib settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_THEME)
        yield


def width_colours(n: int) -> list[str]:
    """Return the colours of n sub-models, the smallest first: light to dark."""
    shades = np.linspace(0.80, 0.12, n) if n > 1 else [0.12]
    return [to_hex(mpl.colormaps["viridis"](shade)) for shade in shades]


def readable(colour: str) -> str:
    """Return a colour for words on white: darkened until its contrast is 4.5, as WCAG asks.

    >>> readable("#1A1A1A"), readable("#56B4E9")
    ('#1a1a1a', '#3c7da2')
    """
    rgb = np.array(to_rgb(colour))
    while True:
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        if 1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05) >= 4.5:
            return to_hex((rgb[0], rgb[1], rgb[2]))
        rgb = rgb * 0.98


def add_axes(figure: Figure, place: tuple[float, float, float, float]) -> Axes:
    """Add axes at a place in inches: left, bottom, width, height."""
    width, height = figure.get_size_inches()
    return figure.add_axes(
        (place[0] / width, place[1] / height, place[2] / width, place[3] / height)
    )


def label_ends(
    axes: Axes,
    heights: Sequence[float],
    texts: Sequence[str],
    colours: Sequence[str],
    *,
    heading: str = "",
) -> None:
    """Write the names of lines beside the right edge, moved apart where they would overlap.

    Args:
        axes: Its limits and place must be final.
        heights: Where each line ends, data coordinates.
        texts: Names, one line each.
        colours: Of the names.
        heading: Written above them.
    """
    to_axes = axes.transData + axes.transAxes.inverted()
    wanted = [to_axes.transform((1.0, height))[1] for height in heights]
    gap = 8.4 / 72 / axes.get_window_extent().height * axes.figure.dpi
    texts, colours = list(texts), list(colours)
    if heading:
        wanted.append(max(wanted) + gap)
        texts.append(heading)
        colours.append(MUTED)
    for place, text, colour in zip(spread(np.array(wanted), gap), texts, colours, strict=True):
        axes.text(
            1.02,
            place,
            text,
            color=readable(colour),
            transform=axes.transAxes,
            va="center_baseline",
            size=7,
        )


def label_methods(axes: Axes, groups: Sequence[Group], heights: Sequence[float]) -> None:
    """Write the names of methods beside the ends of their lines; see `label_ends`."""
    lines = [
        (height, line, method_colour(group.method))
        for group, height in zip(groups, heights, strict=True)
        for line in reversed(name_lines(group.method))  # upwards
        if line
    ]
    label_ends(axes, *zip(*lines, strict=True))


def spread(wanted: np.ndarray, gap: float) -> np.ndarray:
    """Return places near the wanted ones, in the same order, at least `gap` apart.

    >>> spread(np.array([0.0, 0.0, 1.0]), 0.2).round(2).tolist()
    [-0.1, 0.1, 1.0]
    """
    order = np.argsort(wanted, kind="stable")
    clusters: list[list[float]] = []  # of wanted places, each cluster evenly spaced about its mean
    for place in wanted[order]:
        clusters.append([float(place)])
        while len(clusters) > 1 and _low(clusters[-1], gap) < _high(clusters[-2], gap) + gap:
            last = clusters.pop()
            clusters[-1] += last
    spaced = [_low(c, gap) + gap * index for c in clusters for index in range(len(c))]
    places = np.empty_like(wanted)
    places[order] = spaced
    return places


def _low(cluster: list[float], gap: float) -> float:
    return sum(cluster) / len(cluster) - gap * (len(cluster) - 1) / 2


def _high(cluster: list[float], gap: float) -> float:
    return sum(cluster) / len(cluster) + gap * (len(cluster) - 1) / 2


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as `path` (SVG) and as PNG beside it, the same bytes for the same figure.

    Args:
        figure: Drawn within `theme`.
        path: Ends with `.svg`.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
    with replacing(path.with_suffix(".png")) as temporary:
        figure.savefig(temporary, format="png", dpi=PNG_DPI, metadata={"Software": None})
