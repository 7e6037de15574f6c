"""Accuracy against cost, per sub-model and method."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sfsc.reporting.drawing import Drawing, describe_protocol, percent
from sfsc.reporting.names import TWINS, method_colour, method_marker, method_name, width_name
from sfsc.reporting.runs import Float64s, Group, Results
from sfsc.reporting.style import FAINT, MUTED, PAGE, label_methods

DODGE = 1.03
"""Factor between the methods' points at one cost, so that their bars are apart."""


def draw(results: Results) -> Drawing:
    """Draw mAP against the query's multiply-accumulates: self-tests, and in the full gallery."""
    groups = results.compared()
    figure = Figure(figsize=(PAGE, 2.6))
    own, full = figure.subplots(1, 2, sharex=True, sharey=True)
    figure.subplots_adjust(left=0.07, right=0.815, bottom=0.17, top=0.88, wspace=0.07)
    for index, group in enumerate(groups):
        values, shift = group.map_percent, DODGE ** (index - (len(groups) - 1) / 2)
        _draw_method(own, group, np.diagonal(values, axis1=1, axis2=2), shift)
        if group.method != TWINS:
            _draw_method(full, group, values[:, :, -1], shift)
    own.set_title("Gallery by the same sub-model")
    full.set_title("Gallery by the largest sub-model")
    own.set_ylabel("mAP (%)")
    _scale_costs(own, groups)
    _name_widths((own, full), groups)
    label_methods(full, groups, [group.map_percent[:, -1, -1].mean() for group in groups])
    return Drawing(
        figure,
        title="Accuracy against cost",
        caption=(
            "Mean average precision against the multiply-accumulates that embedding one query "
            "takes, for each sub-model (grey lines: widths). Left: self-tests. Right: the "
            "same queries in the gallery that the method's largest sub-model indexed. "
            "Bars: standard deviation over seeds, moved slightly apart. The dashed line is the "
            "unified network, the smallest one deployed on every platform; full alone is one "
            "full-width network, which small platforms cannot run; independent networks have no "
            f"gallery in common and are not at the right. {describe_protocol(groups)}"
        ),
        alternative="Points by method and width, self-test mAP: "
        + "; ".join(_in_words(group) for group in groups)
        + ".",
    )


def _draw_method(axes: Axes, group: Group, values: Float64s, shift: float) -> None:
    """Draw one line through a method's sub-models; `values` are (seeds, M)."""
    macs = np.array(group.runs[0].record["macs"], dtype=np.float64) * shift
    colour, mean = method_colour(group.method), values.mean(axis=0)
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else None
    is_ours = group.method == "sfsc"
    if group.method == "unified":
        axes.axhline(mean[0], color=colour, lw=1, ls=(0, (4, 3)), zorder=1)
    axes.errorbar(
        macs, mean, yerr=spread, color=colour, marker=method_marker(group.method),
        markersize=5, markeredgecolor="white", markeredgewidth=0.6, capsize=2, elinewidth=0.9,
        lw=1.8 if is_ours else 1.3, zorder=4 if is_ours else 3,
    )  # fmt: skip


def _costs(groups: Sequence[Group]) -> dict[float, int]:
    """Return the multiply-accumulates of each width."""
    return {
        width: macs
        for group in groups
        for width, macs in zip(group.widths, group.runs[0].record["macs"], strict=True)
    }


def _scale_costs(axes: Axes, groups: Sequence[Group]) -> None:
    costs = _costs(groups).values()
    axes.set_xscale("log")
    axes.set_xlim(min(costs) / 1.5, max(costs) * 1.5)
    axes.xaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _name_widths(panels: Sequence[Axes], groups: Sequence[Group]) -> None:
    """Mark what each width costs, above the data."""
    bottom, top = panels[0].get_ylim()
    panels[0].set_ylim(bottom, top + 0.1 * (top - bottom))
    for panel in panels:
        panel.set_xlabel("multiply-accumulates per query image")
        panel.grid(visible=False, axis="x")
        for index, (width, macs) in enumerate(sorted(_costs(groups).items())):
            panel.axvline(macs, color=FAINT, lw=0.8, zorder=0)
            panel.annotate(
                f"width {width_name(width)}" if index == 0 else width_name(width),
                (macs, 1), (2, -2), panel.get_xaxis_transform(), "offset points",
                color=MUTED, size=6.5, va="top",
            )  # fmt: skip


def engineering(value: float) -> str:
    """Return a count with its unit prefix.

    >>> engineering(200_000), engineering(1.5e9)
    ('200k', '1.5G')
    """
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def _in_words(group: Group) -> str:
    own = np.diagonal(group.map_percent, axis1=1, axis2=2)
    points = [
        f"width {width_name(width)} {percent(own[:, switch].tolist())} %"
        for switch, width in enumerate(group.widths)
    ]
    return f"{method_name(group.method)}: {', '.join(points)}"
