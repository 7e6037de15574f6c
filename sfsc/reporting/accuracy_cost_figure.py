"""Accuracy against cost, per sub-model and method."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sfsc.reporting.drawing import Drawing, describe_protocol, percent
from sfsc.reporting.names import method_colour, method_marker, method_name, width_name
from sfsc.reporting.runs import Float64s, Group
from sfsc.reporting.style import MUTED, PAGE


def draw_accuracy_cost(groups: Sequence[Group]) -> Drawing:
    """Draw mAP against the query's multiply-accumulates: self-tests, and in the full gallery.

    Args:
        groups: Of one data set.
    """
    figure = Figure(figsize=(PAGE, 2.9))
    own, full = figure.subplots(1, 2, sharex=True, sharey=True)
    figure.subplots_adjust(left=0.075, right=0.985, bottom=0.28, top=0.9, wspace=0.06)
    for group in groups:
        values = group.map_percent
        _draw_method(own, group, np.diagonal(values, axis1=1, axis2=2))
        _draw_method(full, group, values[:, :, -1])
    own.set_title("gallery indexed by the same sub-model")
    full.set_title("gallery indexed by the method's largest sub-model")
    own.set_ylabel("mAP (%)")
    _scale_costs(own, groups)
    for panel in (own, full):
        panel.set_xlabel("multiply-accumulates per query image")
    handles, labels = own.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="lower center", ncols=len(groups), handletextpad=0.4, columnspacing=1.4
    )
    return Drawing(
        figure,
        title="Accuracy against cost",
        caption=(
            "Mean average precision against the multiply-accumulates that embedding one query "
            "takes, for each sub-model (labelled with its width). Left: self-tests. Right: the "
            "same queries in the gallery that the method's largest sub-model indexed. "
            "Bars: standard deviation over seeds. The dashed line is the unified network, the "
            "smallest one deployed on every platform; full alone is one full-width network, which "
            f"small platforms cannot run. {describe_protocol(groups)}"
        ),
        alternative="Points by method and width, self-test mAP: "
        + "; ".join(_in_words(group) for group in groups)
        + ".",
    )


def _draw_method(axes: Axes, group: Group, values: Float64s) -> None:
    """Draw one line through a method's sub-models; `values` are (seeds, M)."""
    macs = np.array(group.runs[0].record["macs"], dtype=np.float64)
    colour, mean = method_colour(group.method), values.mean(axis=0)
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else None
    is_ours = group.method == "sfsc"
    if group.method == "unified":
        axes.axhline(mean[0], color=colour, lw=1, ls=(0, (4, 3)), zorder=1)
    axes.errorbar(
        macs, mean, yerr=spread, color=colour, marker=method_marker(group.method),
        markersize=5, markeredgecolor="white", markeredgewidth=0.6, capsize=2, elinewidth=0.9,
        lw=1.8 if is_ours else 1.3, label=method_name(group.method), zorder=4 if is_ours else 3,
    )  # fmt: skip


def _scale_costs(axes: Axes, groups: Sequence[Group]) -> None:
    """Set a logarithmic axis from the smallest to the largest sub-model, with their widths on top."""
    costs = {
        width: macs
        for group in groups
        for width, macs in zip(group.widths, group.runs[0].record["macs"], strict=True)
    }
    axes.set_xscale("log")
    axes.set_xlim(min(costs.values()) / 1.6, max(costs.values()) * 1.6)
    axes.xaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    for panel in axes.figure.axes:
        panel.tick_params(axis="x", which="minor", length=0)
        for width, macs in costs.items():
            panel.axvline(macs, color=MUTED, lw=0.5, ls=":", zorder=0)
            panel.text(
                macs, 0.015, f" {width_name(width)}", color=MUTED, size=6.5, ha="left", va="bottom",
                transform=panel.get_xaxis_transform(),
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
