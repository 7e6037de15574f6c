"""Curves of the sub-models over training: a panel per method, a line per width."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from sfsc.reporting.captions import by_width
from sfsc.reporting.curves import Curve, curves_by_switch, fit_epochs
from sfsc.reporting.dynamics import by_switch
from sfsc.reporting.names import method_name, width_name
from sfsc.reporting.runs import Group
from sfsc.reporting.style import PAGE, label_ends, width_colours

PANELS_PER_ROW = 3


def draw_submodels(
    groups: Sequence[Group], metric: str, label: str, *, is_log: bool
) -> tuple[Figure, str]:
    """Draw a panel per method with a line per sub-model.

    Args:
        groups: The methods, all on one data set.
        metric: A metric of sub-models in `training.parquet`.
        label: Label of the vertical axis.
        is_log: Whether the vertical axis is logarithmic.

    Returns:
        The figure, and the values at the end of training in words.
    """
    groups = sorted(groups, key=lambda group: not group.is_switchable)  # stable
    curves = [curves_by_switch(group, lambda run: by_switch(run, metric)) for group in groups]
    columns = min(len(groups), PANELS_PER_ROW)
    figure, panels = panel_grid(-(-len(groups) // columns), columns, top=0.6, sharey="all")
    _fit_heights(panels[0], [curve for of_group in curves for curve in of_group], is_log=is_log)
    fit_epochs(panels, groups)
    for panel in panels[len(groups) :]:
        panel.set_axis_off()
    widths = sorted({width for group in groups for width in group.widths})
    for index, (panel, group) in enumerate(zip(panels, groups, strict=False)):
        draw_panel(panel, group, curves[index], widths)
        panel.set_title(method_name(group.method))
        if index % columns == 0:
            panel.set_ylabel(label)
        if index + columns >= len(groups):
            panel.set_xlabel("epoch")
            panel.tick_params(labelbottom=True)
    ends = [[f"{curve.mean[-1]:.2g}" for curve in of_group] for of_group in curves]
    words = [by_width(g.method, g.widths, e) for g, e in zip(groups, ends, strict=True)]
    return figure, "; ".join(words)


def panel_grid(
    rows: int, columns: int, *, top: float, sharey: Literal["all", "col"]
) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels with room for names at their right, and the panels row by row.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        top: Height of the figure beyond that of its rows, inches.
        sharey: Which panels share their vertical axis (`Figure.subplots`).
    """
    height = top + 1.55 * rows
    figure = Figure(figsize=(PAGE, height))
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=sharey)
    figure.subplots_adjust(
        left=0.075, right=0.945, bottom=0.4 / height, top=1 - 0.25 / height, wspace=0.24, hspace=0.3
    )
    return figure, list(panels.flat)


def draw_panel(panel: Axes, group: Group, curves: Sequence[Curve], widths: Sequence[float]) -> None:
    """Draw a line per sub-model, with its width at the right.

    Args:
        panel: Where.
        group: The runs of a method.
        curves: One curve per sub-model.
        widths: The widths that all panels show, ascending: they set the colours.
    """
    shades = dict(zip(widths, width_colours(len(widths)), strict=True))
    colours = [shades[width] for width in group.widths]
    for curve, colour in zip(curves, colours, strict=True):
        curve.draw(panel, colour)
    names = [width_name(width) for width in group.widths]
    label_ends(panel, [curve.mean[-1] for curve in curves], names, colours, heading="width")


def _fit_heights(panel: Axes, curves: Sequence[Curve], *, is_log: bool) -> None:
    low, high = min(c.low.min() for c in curves), max(c.high.max() for c in curves)
    if is_log and low > 0:
        low, high = low / 1.15, high * 1.15
        ticks = [d * 10.0**e for e in range(-6, 7) for d in (1, 2, 5)]
        panel.set_yscale("log")
        panel.set_ylim(low, high)
        panel.yaxis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter(NullFormatter())
    else:
        margin = 0.06 * (high - low) or 0.1
        panel.set_ylim(max(0.0, low - margin), high + margin)
