"""How often the sub-models' gradients conflict over training, by method (DESIGN.md 1: C5)."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sfsc.reporting.captions import describe_data
from sfsc.reporting.curves import Curve, fit_epochs, has_metric, join_seeds, read_metric, smooth
from sfsc.reporting.drawing import Drawing, draw_nothing
from sfsc.reporting.names import method_colour, method_name, name_lines
from sfsc.reporting.runs import Group, Results
from sfsc.reporting.style import MUTED, PAGE, label_methods

WINDOW = 0.1
SHARES = {
    "cosine_whole": "Conflicts, whole gradients",
    "cosine_layer": "Conflicts, layer by layer",
}
"""Metric of `training.parquet` of which the share of negative values is drawn, and its title."""
COSINE = "cosine_nested"
"""Metric whose mean is drawn."""


def draw(results: Results) -> Drawing:
    """Draw the share of conflicting pairs of sub-models, and their cosine, by method.

    The methods are the compared ones and the ablation `parts`, without those that have no pairs:
    one network, or one per width.
    """
    title = "Conflicting gradients"
    candidates = results.compared_and("parts")
    groups = [group for group in candidates if has_metric(group, "cosine_whole")]
    if not groups:
        text = "No method here has several sub-models in one network: no pairs, no conflicts."
        return draw_nothing(title, text, candidates)
    figure, panels = _panels(groups)
    ends = []
    for (metric, name), panel in zip(SHARES.items(), panels, strict=False):
        curves = [_read_curve(group, metric, is_share=True) for group in groups]
        _draw_curves(panel, groups, curves)
        panel.set_title(name)
        panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        ends.append(f"{name.lower()}: {_in_words(groups, curves, '{:.0%}')}")
    panels[0].set_ylim(bottom=0)
    cosines = [_read_curve(group, COSINE, is_share=False) for group in groups]
    _draw_curves(panels[-1], groups, cosines)
    panels[-1].set_title("Cosine on common weights")
    panels[-1].axhline(0, color=MUTED, lw=0.8)
    label_methods(panels[-1], groups, [curve.mean[-1] for curve in cosines])
    ends.append(f"cosine on common weights: {_in_words(groups, cosines, '{:.2f}')}")
    return Drawing(
        figure,
        title=title,
        caption=(
            "Left and middle: share of the pairs of sub-models whose gradients on the same batch "
            "conflict, that is, have a negative cosine, before any aggregation: as whole vectors "
            "(the sign is the same on the weights that both have), and layer by layer, every layer "
            "with the same weight. Right: the mean cosine on the weights that both have. All "
            "methods see the same batches. Line: mean over seeds; band: their range; both over a "
            f"moving window of {100 * WINDOW:g} % of the training. {describe_data(groups)}"
        ),
        alternative=f"Curves over epochs. At the end of training: {'; '.join(ends)}.",
    )


def _panels(groups: Sequence[Group]) -> tuple[Figure, Sequence[Axes]]:
    """Return three panels, high enough for the methods' names at the right."""
    lines = sum(1 + bool(name_lines(group.method)[1]) for group in groups)
    height = max(2.35, 1.2 + 0.15 * lines)
    figure = Figure(figsize=(PAGE, height))
    panels = figure.subplots(1, 3)
    figure.subplots_adjust(
        left=0.05, right=0.815, bottom=0.42 / height, top=1 - 0.28 / height, wspace=0.24
    )
    panels[1].sharey(panels[0])
    fit_epochs(panels, groups)
    return figure, panels


def _read_curve(group: Group, metric: str, *, is_share: bool) -> Curve:
    """Return a metric's mean over the pairs of each step, or the share of its negative values."""
    seeds = []
    for run in group.runs:
        records = read_metric(run, metric)
        values: pd.Series[Any] = records["value"] < 0 if is_share else records["value"]
        seeds.append(smooth(values.groupby(records["step"]).mean(), run, window=WINDOW))
    return join_seeds(seeds)


def _draw_curves(panel: Axes, groups: Sequence[Group], curves: Sequence[Curve]) -> None:
    for group, curve in zip(groups, curves, strict=True):
        curve.draw(panel, method_colour(group.method), opacity=min(0.18, 0.6 / len(groups)))
    panel.set_xlabel("epoch")


def _in_words(groups: Sequence[Group], curves: Sequence[Curve], template: str) -> str:
    return ", ".join(
        f"{method_name(group.method)} {template.format(curve.mean[-1]).replace('%', ' %')}"
        for group, curve in zip(groups, curves, strict=True)
    )
