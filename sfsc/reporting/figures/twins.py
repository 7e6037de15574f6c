"""Each sub-model beside the independently trained network of its width (DESIGN.md 1: C7)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sfsc.reporting.drawing import Drawing, describe_protocol, draw_nothing, percent
from sfsc.reporting.effects import TWIN_MARGIN, twin_effect
from sfsc.reporting.names import (
    OURS,
    RIVAL,
    TWINS,
    method_colour,
    method_marker,
    method_name,
    width_name,
)
from sfsc.reporting.runs import Group, Results
from sfsc.reporting.style import MUTED, PAGE, label_methods
from sfsc.statistics.paired import Effect

METHODS = (RIVAL, "asymmetric_s", OURS)
DODGE = 0.11
"""Between the methods' points at one width."""


def draw(results: Results) -> Drawing:
    """Draw the self-tests of the sub-models of one network against those of separate networks."""
    title = "Each sub-model and its independently trained twin"
    methods = [method for method in METHODS if method in results.job.compare]
    if TWINS not in results.job.compare or not methods:
        text = "This study does not compare independent networks with a switchable one."
        return draw_nothing(title, text, results.compared())
    twins = results.group(TWINS)
    groups = [results.group(method) for method in methods]
    effects = {group.method: _effects(group, twins) for group in groups}
    figure = Figure(figsize=(PAGE, 2.5))
    own, gap = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.07, right=0.865, bottom=0.17, top=0.88, wspace=0.2)
    _draw_levels(own, [twins, *groups])
    _draw_gaps(gap, groups, effects, twins.widths)
    label_methods(gap, groups, [effects[group.method][-1].effect for group in groups])
    return Drawing(
        figure,
        title=title,
        caption=(
            "Left: self-test of each sub-model (query and gallery by it), mean over seeds, bars: "
            "standard deviation; grey: a separate network of that width, trained alone. Right: "
            "the difference to that twin, paired by seed and query, bars: 95 % interval "
            "over seeds (Student's t). Dashed: the point that a sub-model may lose before "
            f"it counts as sacrificed ({TWIN_MARGIN:g}). {describe_protocol([twins, *groups])}"
        ),
        alternative="Self-test minus that of the independent twin, points of mAP: "
        + "; ".join(_in_words(group, twins, effects[group.method]) for group in groups)
        + ".",
    )


def _effects(group: Group, twins: Group) -> list[Effect]:
    return [twin_effect(group, twins, width) for width in group.widths if width in twins.widths]


def _shift(index: int, n: int) -> float:
    return DODGE * (index - (n - 1) / 2)


def _places(group: Group, widths: Sequence[float]) -> list[int]:
    return [widths.index(width) for width in group.widths if width in widths]


def _draw_levels(axes: Axes, groups: Sequence[Group]) -> None:
    widths = groups[0].widths
    for index, group in enumerate(groups):
        values = np.diagonal(group.map_percent, axis1=1, axis2=2)
        values = values[:, [width in widths for width in group.widths]]
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else None
        places = np.array(_places(group, widths)) + _shift(index, len(groups))
        _draw_points(axes, group, places, values.mean(axis=0), spread)
    _name_widths(axes, widths)
    axes.set(title="Self-tests", ylabel="mAP (%)")


def _draw_gaps(
    axes: Axes, groups: Sequence[Group], effects: dict[str, list[Effect]], widths: Sequence[float]
) -> None:
    axes.axhline(0, color=MUTED, lw=0.8, zorder=1)
    axes.axhline(TWIN_MARGIN, color=MUTED, lw=0.8, ls=(0, (4, 3)), zorder=1)
    for index, group in enumerate(groups):
        of_group = effects[group.method]
        means = np.array([effect.effect for effect in of_group])
        ends = np.array([(effect.ci_low, effect.ci_high) for effect in of_group]).T
        places = np.array(_places(group, widths)) + _shift(index, len(groups))
        _draw_points(axes, group, places, means, np.abs(ends - means))
    _name_widths(axes, widths)
    axes.set(title="Difference to the independent twin", ylabel="points of mAP")


def _draw_points(
    axes: Axes, group: Group, places: np.ndarray, means: np.ndarray, bars: np.ndarray | None
) -> None:
    axes.errorbar(
        places, means, yerr=bars, color=method_colour(group.method),
        marker=method_marker(group.method), markersize=5, markeredgecolor="white",
        markeredgewidth=0.6, capsize=2, elinewidth=0.9, lw=1.3,
    )  # fmt: skip


def _name_widths(axes: Axes, widths: Sequence[float]) -> None:
    axes.set_xticks(range(len(widths)), [width_name(width) for width in widths])
    axes.set_xlabel("width")
    axes.grid(visible=False, axis="x")


def _in_words(group: Group, twins: Group, effects: Sequence[Effect]) -> str:
    widths = [width for width in group.widths if width in twins.widths]
    points = [
        f"width {width_name(width)} {percent([effect.effect])}"
        for width, effect in zip(widths, effects, strict=True)
    ]
    return f"{method_name(group.method)}: {', '.join(points)}"
