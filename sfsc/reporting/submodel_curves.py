"""What a training records of each sub-model, over the epochs: a panel per method."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from sfsc.reporting.curves import Curve, curves_by_switch, fit_epochs
from sfsc.reporting.names import method_name, width_name
from sfsc.reporting.runs import Group
from sfsc.reporting.style import PAGE, label_ends, width_colours

PANELS_PER_ROW = 3


def draw_switches(
    groups: Sequence[Group], metric: str, label: str, *, is_log: bool
) -> tuple[Figure, str]:
    """Draw a panel per method with a line per sub-model; return also the ends in words.

    Args:
        groups: Of one data set.
        metric: Of a sub-model, in `training.parquet`.
        label: Of the vertical axis.
        is_log: Whether that is logarithmic.
    """
    groups = sorted(groups, key=lambda group: not group.is_switchable)  # stable
    curves = [curves_by_switch(group, metric) for group in groups]
    columns = min(len(groups), PANELS_PER_ROW)
    rows = -(-len(groups) // columns)
    height = 0.6 + 1.55 * rows
    figure = Figure(figsize=(PAGE, height))
    panels = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    figure.subplots_adjust(
        left=0.075, right=0.945, bottom=0.4 / height, top=1 - 0.25 / height, wspace=0.24, hspace=0.3
    )
    _fit_heights(panels[0], [curve for of_group in curves for curve in of_group], is_log=is_log)
    fit_epochs(panels, groups)
    widths = sorted({width for group in groups for width in group.widths})
    colours = dict(zip(widths, width_colours(len(widths)), strict=True))
    for index, panel in enumerate(panels):
        if index >= len(groups):
            panel.set_axis_off()
            continue
        _draw_panel(panel, groups[index], curves[index], colours)
        if index % columns == 0:
            panel.set_ylabel(label)
        if index + columns >= len(groups):
            panel.set_xlabel("epoch")
            panel.tick_params(labelbottom=True)
    return figure, _ends_in_words(groups, curves)


def _draw_panel(
    panel: Axes, group: Group, curves: Sequence[Curve], colours: Mapping[float, str]
) -> None:
    for width, curve in zip(group.widths, curves, strict=True):
        curve.draw(panel, colours[width])
    panel.set_title(method_name(group.method))
    label_ends(
        panel,
        [curve.mean[-1] for curve in curves],
        [width_name(width) for width in group.widths],
        [colours[width] for width in group.widths],
        heading="width",
    )


def _fit_heights(panel: Axes, curves: Sequence[Curve], *, is_log: bool) -> None:
    low, high = min(c.low.min() for c in curves), max(c.high.max() for c in curves)
    if is_log and low > 0:
        panel.set_yscale("log")
        panel.set_ylim(low / 1.15, high * 1.15)
        ticks = [d * 10.0**e for e in range(-6, 7) for d in (1, 2, 5)]
        panel.yaxis.set_major_locator(
            FixedLocator([t for t in ticks if low / 1.15 <= t <= high * 1.15])
        )
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter(NullFormatter())
    else:
        margin = 0.06 * (high - low) or 0.1
        panel.set_ylim(max(0.0, low - margin), high + margin)


def _ends_in_words(groups: Sequence[Group], curves: Sequence[Sequence[Curve]]) -> str:
    return "; ".join(
        f"{method_name(group.method)}: "
        + ", ".join(
            f"width {width_name(width)} {curve.mean[-1]:.2g}"
            for width, curve in zip(group.widths, of_group, strict=True)
        )
        for group, of_group in zip(groups, curves, strict=True)
    )
