"""Who moves the shared weights while who is uncertain (DESIGN.md 1: C7)."""

from collections.abc import Callable, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sfsc.reporting.curves import Curve, fit_epochs, join_seeds, smooth
from sfsc.reporting.drawing import Drawing, describe_data, draw_nothing
from sfsc.reporting.dynamics import by_switch, norm_shares
from sfsc.reporting.names import OURS, RIVAL, method_name, width_name
from sfsc.reporting.runs import Group, Results, Run
from sfsc.reporting.style import PAGE, label_ends, width_colours


def draw(results: Results) -> Drawing:
    """Draw each sub-model's share of the gradient norms and its uncertainty, a row per method."""
    title = "Uncertainty and priority of the sub-models"
    groups = [results.group(m) for m in (RIVAL, OURS) if m in results.job.compare]
    if not groups:
        text = "This study compares neither BCT-S nor SFSC."
        return draw_nothing(title, text, results.compared())
    height = 0.65 + 1.55 * len(groups)
    figure = Figure(figsize=(PAGE, height))
    panels = figure.subplots(len(groups), 2, squeeze=False, sharex=True, sharey="col")
    figure.subplots_adjust(
        left=0.07, right=0.945, bottom=0.4 / height, top=1 - 0.25 / height, wspace=0.24, hspace=0.3
    )
    fit_epochs(panels.flat, groups)
    shares = [_curves(group, norm_shares) for group in groups]
    uncertainties = [_curves(group, lambda run: by_switch(run, "uncertainty")) for group in groups]
    for row, group in enumerate(groups):
        _draw_panel(panels[row][0], group, shares[row])
        _draw_panel(panels[row][1], group, uncertainties[row])
        panels[row][0].set(title=f"{method_name(group.method)}: share of the gradient norms")
        panels[row][1].set(title=f"{method_name(group.method)}: uncertainty u")
    panels[0][0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    for panel in panels[-1]:
        panel.set_xlabel("epoch")
    return Drawing(
        figure,
        title=title,
        caption=(
            "Left: norm of each sub-model's own gradient, before any aggregation, as a share of "
            "the sum over sub-models: with more of it a sub-model has the higher priority. Right: "
            "its evidential uncertainty. By width (light: smallest). Line: mean over seeds; "
            "band: their range; both "
            f"over a moving window of 5 % of the training. {describe_data(groups)}"
        ),
        alternative="Curves over epochs. Share of the smallest sub-model at the start, in the "
        "middle and at the end: "
        + "; ".join(
            f"{method_name(group.method)} {_in_words(curves[0])}"
            for group, curves in zip(groups, shares, strict=True)
        )
        + ".",
    )


def _curves(group: Group, read: Callable[[Run], pd.DataFrame]) -> list[Curve]:
    """Return one curve for each sub-model."""
    frames = [read(run) for run in group.runs]
    return [
        join_seeds(
            [smooth(frame[switch], run) for frame, run in zip(frames, group.runs, strict=True)]
        )
        for switch in range(len(group.widths))
    ]


def _draw_panel(panel: Axes, group: Group, curves: Sequence[Curve]) -> None:
    colours = width_colours(len(curves))
    for curve, colour in zip(curves, colours, strict=True):
        curve.draw(panel, colour)
    names = [width_name(width) for width in group.widths]
    label_ends(panel, [curve.mean[-1] for curve in curves], names, colours, heading="width")


def _in_words(curve: Curve) -> str:
    points = (curve.mean[0], curve.mean[len(curve.mean) // 2], curve.mean[-1])
    return ", ".join(f"{100 * point:.0f} %" for point in points)
