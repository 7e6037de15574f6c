"""How training goes: gradient norms, uncertainties and conflicts (DESIGN.md 1: C5 and C7)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, PercentFormatter

from sfsc.errors import ResultError
from sfsc.reporting.curves import Curve, curves_by_switch, join_seeds, read_metric, smooth
from sfsc.reporting.drawing import Drawing, describe_data
from sfsc.reporting.names import method_colour, method_name, width_name
from sfsc.reporting.runs import Group, Run
from sfsc.reporting.style import MUTED, PAGE, label_ends, width_colours

PANELS_PER_ROW = 3
CONFLICTS = {
    "cosine_whole": "whole gradients",
    "cosine_nested": "common weights only",
    "cosine_layer": "layer by layer",
}
"""Metrics of `training.parquet`, and what the cosine of a pair runs over."""


def draw_gradient_norms(groups: Sequence[Group]) -> Drawing:
    """Draw the norm of each sub-model's own gradient over training, a panel per method.

    Args:
        groups: Of one data set.
    """
    figure, text = _draw_switches(groups, "gradient_norm", "gradient norm", is_log=True)
    return Drawing(
        figure,
        title="Gradient norms",
        caption=(
            "Norm of each sub-model's own gradient over its weights, before any aggregation, "
            "by width (light: smallest). Line: mean over seeds; band: their range; both over a "
            f"moving window of 5 % of the training. Logarithmic scale. {describe_data(groups)}"
        ),
        alternative=f"Curves over epochs. Norms at the end of training: {text}.",
    )


def draw_uncertainties(groups: Sequence[Group]) -> Drawing:
    """Draw the evidential uncertainty of each sub-model over training, a panel per method.

    Args:
        groups: Of one data set.
    """
    figure, text = _draw_switches(groups, "uncertainty", "uncertainty u", is_log=False)
    return Drawing(
        figure,
        title="Uncertainty",
        caption=(
            "Evidential uncertainty u = C / S of each sub-model, mean over the training batch, by "
            "width (light: smallest); 1: no evidence for any identity. It is recorded for "
            "all methods, also where no loss uses it. Line: mean over seeds; band: their range; "
            f"both over a moving window of 5 % of the training. {describe_data(groups)}"
        ),
        alternative=f"Curves over epochs. Uncertainty at the end of training: {text}.",
    )


def draw_conflicts(groups: Sequence[Group]) -> Drawing:
    """Draw the share of pairs of sub-models whose gradients conflict over training, by method.

    Args:
        groups: Of one data set; those of one network have no pairs and are left out.

    Raises:
        ResultError: If no method has several sub-models.
    """
    switchable = [group for group in groups if group.is_switchable]
    if not switchable:
        raise ResultError("Conflicts need a method with several sub-models. Found none.")
    figure = Figure(figsize=(PAGE, 2.35))
    panels = figure.subplots(1, len(CONFLICTS), sharey=True)
    figure.subplots_adjust(left=0.07, right=0.835, bottom=0.18, top=0.88, wspace=0.1)
    ends = {}
    for panel, (metric, title) in zip(panels, CONFLICTS.items(), strict=True):
        curves = [_conflict_curve(group, metric) for group in switchable]
        for group, curve in zip(switchable, curves, strict=True):
            curve.draw(panel, method_colour(group.method))
        panel.set_title(title)
        panel.set_xlabel("epoch")
        ends[title] = [curve.mean[-1] for curve in curves]
    _fit_epochs(panels, curves)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("conflicting pairs")
    panels[0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    names = [_two_lines(method_name(group.method)) for group in switchable]
    colours = [method_colour(group.method) for group in switchable]
    label_ends(panels[-1], curves[0].epoch[-1], [c.mean[-1] for c in curves], names, colours)
    return Drawing(
        figure,
        title="Conflicting gradients",
        caption=(
            "Share of the pairs of sub-models whose gradients on the same batch have a negative "
            "cosine, before any aggregation: over the whole gradients (left), over the weights "
            "that both sub-models have (middle), and in each layer by itself, all layers counted "
            "alike (right). All methods see the same batches. Line: mean over seeds; band: their "
            f"range; both over a moving window of 5 % of the training. {describe_data(switchable)}"
        ),
        alternative="Curves over epochs. Conflicting pairs at the end of training: "
        + "; ".join(
            f"{title}: "
            + ", ".join(
                f"{method_name(group.method)} {100 * end:.0f} %"
                for group, end in zip(switchable, values, strict=True)
            )
            for title, values in ends.items()
        )
        + ".",
    )


def _conflict_curve(group: Group, metric: str) -> Curve:
    return join_seeds([smooth(_conflict_share(run, metric), run) for run in group.runs])


def _conflict_share(run: Run, metric: str) -> pd.Series:
    """Return by step the share of negative cosines among all pairs (and layers) of the step."""
    records = read_metric(run, metric)
    share: pd.Series = (records["value"] < 0).groupby(records["step"]).mean()
    return share


def _draw_switches(
    groups: Sequence[Group], metric: str, label: str, *, is_log: bool
) -> tuple[Figure, str]:
    """Draw a panel per method with a line per sub-model; return also the ends in words."""
    widths = sorted({width for group in groups for width in group.widths})
    colours = dict(zip(widths, width_colours(len(widths)), strict=True))
    columns = min(len(groups), PANELS_PER_ROW)
    rows = -(-len(groups) // columns)
    height = 0.5 + 1.55 * rows
    figure = Figure(figsize=(PAGE, height))
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    figure.subplots_adjust(
        left=0.075, right=0.955, bottom=0.4 / height, top=1 - 0.25 / height, wspace=0.16, hspace=0.3
    )
    curves = [curves_by_switch(group, metric) for group in groups]
    for index, panel in enumerate(panels.flat):
        if index >= len(groups):
            panel.set_axis_off()
            continue
        for width, curve in zip(groups[index].widths, curves[index], strict=True):
            curve.draw(panel, colours[width])
        panel.set_title(method_name(groups[index].method))
        if index % columns == 0:
            panel.set_ylabel(label)
        if index + columns >= len(groups):
            panel.set_xlabel("epoch")
            panel.tick_params(labelbottom=True)
    _fit_heights(panels.flat[0], [c for of_group in curves for c in of_group], is_log=is_log)
    _fit_epochs(panels.flat, curves[0])
    for panel, group, of_group in zip(panels.flat, groups, curves, strict=False):
        names = [width_name(width) for width in group.widths]
        ends = [curve.mean[-1] for curve in of_group]
        label_ends(panel, of_group[0].epoch[-1], ends, names, [colours[w] for w in group.widths])
    panels.flat[0].text(
        1.0, 1.03, "width", transform=panels.flat[0].transAxes, color=MUTED, size=7, ha="left"
    )
    return figure, _ends_in_words(groups, curves)


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
        panel.tick_params(axis="y", which="minor", length=0)
    else:
        margin = 0.06 * (high - low) or 0.1
        panel.set_ylim(max(0.0, low - margin), high + margin)


def _fit_epochs(panels: Sequence[Axes], curves: Sequence[Curve]) -> None:
    last = max(curve.epoch[-1] for curve in curves)
    for panel in panels:
        panel.set_xlim(0, last)


def _ends_in_words(groups: Sequence[Group], curves: Sequence[Sequence[Curve]]) -> str:
    return "; ".join(
        f"{method_name(group.method)}: "
        + ", ".join(
            f"width {width_name(width)} {curve.mean[-1]:.2g}"
            for width, curve in zip(group.widths, of_group, strict=True)
        )
        for group, of_group in zip(groups, curves, strict=True)
    )


def _two_lines(name: str) -> str:
    return name.replace(" (", "\n(") if len(name) > 14 else name
