"""How often sub-models' gradients conflict over training, per method (DESIGN.md 1: C5)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sfsc.reporting.curves import Curve, fit_epochs, has_metric, join_seeds, read_metric, smooth
from sfsc.reporting.drawing import Drawing, describe_data, draw_nothing
from sfsc.reporting.names import method_colour, method_name, name_lines
from sfsc.reporting.runs import Group, Results
from sfsc.reporting.style import MUTED, PAGE, label_methods

WINDOW = 0.1


class Panel(NamedTuple):
    """What one panel shows."""

    metric: str
    """In `training.parquet`."""
    title: str
    measure: Callable[["pd.Series[float]"], "pd.Series[bool] | pd.Series[float]"]
    """Of the cosines of the pairs; its mean over the pairs of a step is drawn."""
    unit: str


PANELS = (
    Panel("cosine_whole", "Conflicts, whole gradients", lambda cosines: cosines < 0, " %"),
    Panel("cosine_layer", "Conflicts, layer by layer", lambda cosines: cosines < 0, " %"),
    Panel("cosine_nested", "Cosine on common weights", lambda cosines: cosines, ""),
)


def draw(results: Results) -> Drawing:
    """Draw the share of conflicting pairs of sub-models, and their cosine, by method.

    The methods are the compared ones and the ablation `parts`; those of one network, or of one
    per width, have no pairs and are left out.
    """
    candidates = results.compared_and("parts")
    groups = [group for group in candidates if has_metric(group, PANELS[0].metric)]
    if not groups:
        text = "No method here has several sub-models in one network: no pairs, no conflicts."
        return draw_nothing("Conflicting gradients", text, candidates)
    lines = sum(1 + bool(name_lines(group.method)[1]) for group in groups)
    height = max(2.35, 1.2 + 0.15 * lines)
    figure = Figure(figsize=(PAGE, height))
    axes = figure.subplots(1, len(PANELS))
    figure.subplots_adjust(
        left=0.05, right=0.815, bottom=0.42 / height, top=1 - 0.28 / height, wspace=0.24
    )
    axes[1].sharey(axes[0])
    fit_epochs(axes, groups)
    ends = []
    for panel, place in zip(PANELS, axes, strict=True):
        curves = [_read_curve(group, panel) for group in groups]
        for group, curve in zip(groups, curves, strict=True):
            curve.draw(place, method_colour(group.method), opacity=min(0.18, 0.6 / len(groups)))
        place.set(title=panel.title, xlabel="epoch")
        if panel.unit:
            place.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=panel.unit))
        else:
            place.axhline(0, color=MUTED, lw=0.8)
            label_methods(place, groups, [curve.mean[-1] for curve in curves])
        ends.append(f"{panel.title.lower()}: {_in_words(groups, curves, panel)}")
    axes[0].set_ylim(bottom=0)
    return Drawing(
        figure,
        title="Conflicting gradients",
        caption=(
            "Left and middle: share of the pairs of sub-models whose gradients on the same batch "
            "conflict, that is, have a negative cosine, before any aggregation: as whole vectors "
            "(the sign is the same on the weights that both have), and in each layer by itself, "
            "all layers counted alike. Right: the mean cosine on the weights that both have. All "
            "methods see the same batches. Line: mean over seeds; band: their range; both over a "
            f"moving window of {WINDOW:.0%} of the training. {describe_data(groups)}"
        ),
        alternative=f"Curves over epochs. At the end of training: {'; '.join(ends)}.",
    )


def _read_curve(group: Group, panel: Panel) -> Curve:
    seeds = []
    for run in group.runs:
        records = read_metric(run, panel.metric)
        by_step = panel.measure(records["value"]).groupby(records["step"]).mean()
        seeds.append(smooth(by_step, run, window=WINDOW))
    return join_seeds(seeds)


def _in_words(groups: Sequence[Group], curves: Sequence[Curve], panel: Panel) -> str:
    return ", ".join(
        f"{method_name(group.method)} "
        + (f"{100 * curve.mean[-1]:.0f} %" if panel.unit else f"{curve.mean[-1]:.2f}")
        for group, curve in zip(groups, curves, strict=True)
    )
