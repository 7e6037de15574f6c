"""How figures look: theme, colours, points and labels."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from sfsc.reporting.names import method_colour, method_marker, name_lines
from sfsc.reporting.runs import Group

mpl.use("agg")

HIT, MISS = "#009E73", "#C1272D"
INK, MUTED, FAINT = "#1A1A1A", "#6B6B6B", "#DDDDDD"
HEAT_MAP = "YlGnBu"

PAGE = 7.1
"""Width of a figure across both columns of a paper, inches."""
LINE_POINTS = 8.4
"""Distance of the lines of small text."""

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
    **{
        f"{axis}tick.{key}": value
        for axis in ("x", "y")
        for key, value in {
            "color": MUTED,
            "labelcolor": INK,
            "labelsize": 7,
            "major.size": 2.5,
            "major.width": 0.6,
            "minor.size": 0,
        }.items()
    },
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
    """Return a colour darkened until words on white have a contrast of 4.5, as WCAG asks.

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


def mark_counts(axis: Axis) -> None:
    """Mark 1, 2, 5 of each decade of a logarithmic axis of large numbers: 500k, 1M, 2M."""
    axis.set_major_locator(LogLocator(10, (1, 2, 5)))
    axis.set_major_formatter(EngFormatter(sep=""))
    axis.set_minor_formatter(NullFormatter())


class EndLabels(Artist):
    """Names of lines beside the right edge of a panel, moved apart where they would overlap.

    They are placed whenever the figure is drawn, when the panel's limits are final: panels that
    share an axis change each other's limits until then.
    """

    def __init__(self, panel: Axes, heights: Sequence[float], texts: Sequence[Text]) -> None:
        super().__init__()
        self._panel = panel
        self._heights = heights
        self._texts = texts

    def get_children(self) -> list[Artist]:
        """Return the names."""
        return list(self._texts)

    def draw(self, renderer: RendererBase) -> None:
        """Place the names and draw them."""
        to_axes = self._panel.transData + self._panel.transAxes.inverted()
        pixels = self._panel.get_window_extent().height
        gap = LINE_POINTS / 72 * self._panel.figure.dpi / pixels
        wanted = [to_axes.transform((1.0, height))[1] for height in self._heights]
        wanted += [max(wanted) + gap] * (len(self._texts) - len(wanted))
        places = spread(np.array(wanted), gap)
        for text, place in zip(self._texts, places, strict=True):
            text.set_y(place)
            text.draw(renderer)


def label_ends(
    axes: Axes,
    heights: Sequence[float],
    names: Sequence[str],
    colours: Sequence[str],
    *,
    heading: str = "",
) -> None:
    """Write the names of lines beside the right edge of a panel.

    Args:
        axes: The panel.
        heights: Where each line ends, data coordinates.
        names: Name of each line, one line of text each.
        colours: Colour of each line.
        heading: Written above the names, if any.
    """
    words = [*zip(names, colours, strict=True), *([(heading, MUTED)] if heading else [])]
    texts = [
        Text(1.02, 0, name, color=readable(colour), va="center_baseline", size=7,
             transform=axes.transAxes, figure=axes.figure)
        for name, colour in words
    ]  # fmt: skip
    axes.add_artist(EndLabels(axes, heights, texts))


def label_methods(axes: Axes, groups: Sequence[Group], heights: Sequence[float]) -> None:
    """Write the names of methods beside the ends of their lines (`label_ends`)."""
    lines = [
        (height, line, method_colour(group.method))
        for group, height in zip(groups, heights, strict=True)
        for line in reversed(name_lines(group.method))  # upwards
        if line
    ]
    label_ends(axes, *zip(*lines, strict=True))


def spread(wanted: np.ndarray, gap: float) -> np.ndarray:
    """Return the places nearest to the wanted ones (least squares), in order and `gap` apart.

    They lie between 0 and 1, the edges of a panel; those that have no room there lie above 1.

    >>> spread(np.array([0.5, 0.5, 1.0]), 0.2).round(2).tolist()
    [0.4, 0.6, 1.0]
    >>> spread(np.array([0.0, 0.0, 1.0]), 0.2).round(2).tolist()
    [0.0, 0.2, 1.0]
    """
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    places = np.empty_like(wanted)
    room = max(0.0, 1.0 - steps[-1])
    places[order] = isotonic_regression(wanted[order] - steps).x.clip(0.0, room) + steps
    return places


def draw_points(axes: Axes, method: str, x: ArrayLike, y: ArrayLike, **style: Any) -> None:
    """Draw points in a method's colour and marker, with error bars.

    Args:
        axes: The panel.
        method: Name of the method.
        x: Horizontal places.
        y: Heights.
        style: `xerr`, `yerr` and any other argument of `Axes.errorbar`.
    """
    colour, marker = method_colour(method), method_marker(method)
    edge = colour if marker.startswith("$") else "white"  # which a letter is too thin for
    defaults = {
        "markersize": 5, "markeredgecolor": edge, "markeredgewidth": 0.6, "capsize": 2,
        "elinewidth": 0.9,
    }  # fmt: skip
    look = {"color": colour, "marker": marker, **defaults, **style}
    axes.errorbar(x, y, **look)
