"""Heat maps of the cross-tests, one per method, on one scale."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sfsc.reporting.drawing import Drawing, describe_protocol, percent
from sfsc.reporting.names import method_name, width_name
from sfsc.reporting.runs import Float64s, Group
from sfsc.reporting.style import FAINT, HEAT_MAP, INK, MUTED, PAGE

PANELS_PER_ROW = 3


def draw_cross_tests(groups: Sequence[Group]) -> Drawing:
    """Draw the M x M matrix of mAP of each method, mean over seeds.

    A method of one network is one cell at its width, in the frame of the others.

    Args:
        groups: Of one data set.
    """
    widths = sorted({width for group in groups for width in group.widths})
    means = [group.map_percent.mean(axis=0) for group in groups]
    scale = Normalize(min(m.min() for m in means), max(m.max() for m in means))
    columns = min(len(groups), PANELS_PER_ROW)
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(PAGE, 0.55 + 2.25 * rows))
    axes = figure.subplots(rows, columns, squeeze=False)
    for index, panel in enumerate(axes.flat):
        if index < len(groups):
            _draw_panel(panel, groups[index], means[index], widths, scale)
            is_lowest = index + columns >= len(groups)
            _label(panel, widths, is_left=index % columns == 0, is_lowest=is_lowest)
        else:
            panel.set_axis_off()
    figure.subplots_adjust(
        left=0.075, right=0.875, bottom=0.42 / (0.55 + 2.25 * rows), top=1 - 0.42 / (0.55 + 2.25 * rows),
        wspace=0.12, hspace=0.38,
    )  # fmt: skip
    _draw_scale(figure, scale)
    return Drawing(
        figure,
        title="Self- and cross-tests",
        caption=(
            "Mean average precision (%) for queries embedded by one sub-model (rows) in a gallery "
            "indexed by another (columns), mean over seeds; the diagonal, framed, holds the "
            "self-tests. Above each matrix its mean ± standard deviation over seeds. A method "
            f"of one network has one cell, at its width. {describe_protocol(groups)}"
        ),
        alternative="Heat maps of mAP by query and gallery width. Means over the matrices: "
        + "; ".join(f"{method_name(g.method)} {_mean_text(g)} %" for g in groups)
        + ".",
    )


def _mean_text(group: Group) -> str:
    return percent(group.map_percent.mean(axis=(1, 2)).tolist())


def _draw_panel(
    axes: Axes, group: Group, means: Float64s, widths: Sequence[float], scale: Normalize
) -> None:
    places = [widths.index(width) for width in group.widths]
    for row, y in enumerate(places):
        for column, x in enumerate(places):
            _draw_cell(axes, x, y, means[row, column], scale)
    axes.set(xlim=(-0.5, len(widths) - 0.5), ylim=(len(widths) - 0.5, -0.5), aspect="equal")
    axes.grid(visible=False)
    axes.set_facecolor("#F5F5F5")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.text(0, 1.125, method_name(group.method), transform=axes.transAxes, weight="bold", size=8)
    axes.text(
        0, 1.03, f"mean {_mean_text(group)} %", transform=axes.transAxes, color=MUTED, size=7.5
    )


def _draw_cell(axes: Axes, x: int, y: int, value: float, scale: Normalize) -> None:
    colour = colormaps[HEAT_MAP](scale(value))
    is_self_test = x == y
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor="white", lw=1))
    luminance = float(np.dot(colour[:3], (0.299, 0.587, 0.114)))
    ink = INK if luminance > 0.5 else "white"
    if is_self_test:
        axes.add_patch(
            Rectangle((x - 0.44, y - 0.44), 0.88, 0.88, fill=False, edgecolor=ink, lw=0.8)
        )
    axes.text(x, y, f"{value:.1f}", ha="center", va="center", color=ink, size=7.5)


def _label(axes: Axes, widths: Sequence[float], *, is_left: bool, is_lowest: bool) -> None:
    names = [width_name(width) for width in widths]
    axes.set_xticks(range(len(widths)), names if is_lowest else [])
    axes.set_yticks(range(len(widths)), names if is_left else [])
    if is_left:
        axes.set_ylabel("query width")
    if is_lowest:
        axes.set_xlabel("gallery width")


def _draw_scale(figure: Figure, scale: Normalize) -> None:
    axes = figure.add_axes((0.905, 0.25, 0.016, 0.5))
    bar = figure.colorbar(ScalarMappable(scale, HEAT_MAP), cax=axes)
    bar.outline.set_visible(False)
    axes.grid(visible=False)
    axes.tick_params(color=FAINT)
    axes.set_ylabel("mAP (%)")
