"""Accuracy against cost, per sub-model and method."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sfsc.reporting.captions import by_width, describe_protocol, percent
from sfsc.reporting.drawing import Drawing
from sfsc.reporting.names import OURS, TWINS, method_colour, width_name
from sfsc.reporting.runs import Float64s, Group, Results
from sfsc.reporting.style import FAINT, MUTED, PAGE, draw_points, label_methods, mark_counts

DODGE = 1.03
"""Factor between the methods' points at one cost, so that their bars are apart."""

REFERENCE_WORDS = {
    "unified": "Dashed: the unified network, the smallest one on every platform.",
    "full_alone": "Full alone is one full-width network, which small platforms cannot run.",
    TWINS: "Independent networks have no gallery in common and are not at the left.",
}


def draw(results: Results) -> Drawing:
    """Draw mAP against the query's multiply-accumulates: in the full gallery, and self-tests."""
    groups = results.compared()
    figure = Figure(figsize=(PAGE, 2.6))
    full, own = figure.subplots(1, 2, sharex=True, sharey=True)
    figure.subplots_adjust(left=0.07, right=0.815, bottom=0.17, top=0.88, wspace=0.07)
    for index, group in enumerate(groups):
        shift = DODGE ** (index - (len(groups) - 1) / 2)
        _draw_method(own, group, group.self_tests, shift)
        if group.method != TWINS:
            _draw_method(full, group, group.map_percent[:, :, -1], shift)
    full.set(title="Gallery by the largest sub-model", ylabel="mAP (%)")
    own.set_title("Gallery by the same sub-model")
    _scale_costs((full, own), groups)
    label_methods(own, groups, [group.map_percent[:, -1, -1].mean() for group in groups])
    return Drawing(
        figure,
        title="Accuracy against cost",
        caption=(
            "Mean average precision against the multiply-accumulates for the embedding of one "
            "query, for each sub-model (grey lines: widths). Left: in the gallery that the "
            "method's largest sub-model indexed. Right: self-tests, of the same queries. "
            "Bars: standard deviation over seeds, moved slightly apart. "
            f"{_describe_references(groups)}{describe_protocol(groups)}"
        ),
        alternative=(
            "Points by method and width. Left, mAP in the gallery by the largest sub-model: "
            f"{_in_words([g for g in groups if g.method != TWINS], own=False)}. "
            f"Right, self-test mAP: {_in_words(groups, own=True)}."
        ),
    )


def _describe_references(groups: Sequence[Group]) -> str:
    """Return a sentence for each network that is drawn for reference."""
    methods = {group.method for group in groups}
    return "".join(f"{text} " for method, text in REFERENCE_WORDS.items() if method in methods)


def _in_words(groups: Sequence[Group], *, own: bool) -> str:
    """Return mAP of each method and width in its own gallery, or in that of the largest."""
    values = [group.self_tests if own else group.map_percent[:, :, -1] for group in groups]
    return "; ".join(
        by_width(group.method, group.widths, [f"{percent(column)} %" for column in of_group.T])
        for group, of_group in zip(groups, values, strict=True)
    )


def _draw_method(axes: Axes, group: Group, values: Float64s, shift: float) -> None:
    """Draw one line through a method's sub-models; `values` are (seeds, M)."""
    macs = np.array(group.runs[0].record["macs"], dtype=np.float64) * shift
    mean = values.mean(axis=0)
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else None
    is_ours = group.method == OURS
    if group.method == "unified":
        axes.axhline(mean[0], color=method_colour(group.method), lw=1, ls=(0, (4, 3)), zorder=1)
    lw, zorder = (1.8, 4) if is_ours else (1.3, 3)
    draw_points(axes, group.method, macs, mean, yerr=spread, lw=lw, zorder=zorder)


def _scale_costs(panels: Sequence[Axes], groups: Sequence[Group]) -> None:
    """Make the shared horizontal axis logarithmic, and mark each width above the data."""
    costs = {
        width: macs
        for group in groups
        for width, macs in zip(group.widths, group.runs[0].record["macs"], strict=True)
    }
    panels[0].set_xscale("log")
    panels[0].set_xlim(min(costs.values()) / 1.5, max(costs.values()) * 1.5)
    mark_counts(panels[0].xaxis)
    bottom, top = panels[0].get_ylim()
    panels[0].set_ylim(bottom, top + 0.1 * (top - bottom))
    for panel in panels:
        panel.set_xlabel("multiply-accumulates per query image")
        panel.grid(visible=False, axis="x")
        for index, (width, macs) in enumerate(sorted(costs.items())):
            panel.axvline(macs, color=FAINT, lw=0.8, zorder=0)
            panel.annotate(
                f"width {width_name(width)}" if index == 0 else width_name(width),
                (macs, 1), (2, -2), panel.get_xaxis_transform(), "offset points",
                color=MUTED, size=6.5, va="top",
            )  # fmt: skip
