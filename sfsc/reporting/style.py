"""How figures look: colours, sizes, and files that are the same bytes on every run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from sfsc.files import replacing

mpl.use("agg")

HIT, MISS = "#009E73", "#C1272D"
INK, MUTED, FAINT = "#1A1A1A", "#6B6B6B", "#DDDDDD"
HEAT_MAP = "cividis"

COLUMN, PAGE = 3.4, 7.1
"""Widths of a figure in one column and across both of a paper, inches."""
PNG_DPI = 200

_THEME = {
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
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 7,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
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


def label_ends(
    axes: Axes, x: float, heights: Sequence[float], texts: Sequence[str], colours: Sequence[str]
) -> None:
    """Write the names of lines at their right ends, moved apart where they would overlap.

    Args:
        axes: Its limits must be final.
        x: Where the lines end, data coordinates.
        heights: Where each line ends, data coordinates.
        texts: Names.
        colours: Of the names.
    """
    to_axes = axes.transData + axes.transAxes.inverted()
    wanted = np.array([to_axes.transform((x, height))[1] for height in heights])
    figure_height = axes.figure.get_figure(root=True).get_size_inches()[1]
    gap = 8.6 / 72 / (axes.get_position().height * figure_height)
    places = spread(wanted, gap)
    right = to_axes.transform((x, heights[0]))[0]
    for place, text, colour in zip(places, texts, colours, strict=True):
        axes.text(
            right + 0.02, place, text, color=colour, transform=axes.transAxes, va="center", size=7
        )


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
