"""Each sub-model beside the independently trained network of its width (DESIGN.md 1: C7)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sfsc.reporting.captions import by_width, describe_protocol, percent
from sfsc.reporting.drawing import Drawing, draw_nothing
from sfsc.reporting.effects import TWIN_MARGIN, twin_effect
from sfsc.reporting.names import OURS, RIVAL, TWINS, width_name
from sfsc.reporting.runs import Float64s, Group, Results
from sfsc.reporting.style import MUTED, PAGE, draw_points, label_methods
from sfsc.statistics.paired import Effect

METHODS = (RIVAL, "asymmetric_s", OURS)
DODGE = 0.11
"""Distance between the methods' points at one width."""


def draw(results: Results) -> Drawing:
    """Draw the self-tests of the sub-models of one network against those of separate networks."""
    title = "Each sub-model and its independently trained twin"
    methods = [method for method in METHODS if method in results.job.compare]
    if TWINS not in results.job.compare or not methods:
        text = "This study does not compare independent networks with a switchable one."
        return draw_nothing(title, text, results.compared())
    twins = results.group(TWINS)
    groups = [results.group(method) for method in methods]
    widths = {g.method: [w for w in g.widths if w in twins.widths] for g in (twins, *groups)}
    effects = {
        group.method: [twin_effect(group, twins, width) for width in widths[group.method]]
        for group in groups
    }
    figure = Figure(figsize=(PAGE, 2.5))
    own, gap = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.07, right=0.865, bottom=0.17, top=0.88, wspace=0.2)
    _draw_levels(own, [twins, *groups], widths, twins.widths)
    _draw_gaps(gap, effects, widths, twins.widths)
    ends = [effects[group.method][-1].effect for group in groups]
    label_methods(gap, [twins, *groups], [0.0, *ends])
    words = [
        by_width(method, widths[method], [percent([effect.effect]) for effect in of_method])
        for method, of_method in effects.items()
    ]
    return Drawing(
        figure,
        title=title,
        caption=(
            "Left: self-test of each sub-model (query and gallery by it), mean over seeds, bars: "
            "standard deviation; independent: a separate network of that width, trained alone. "
            "Right: the difference to that twin, paired by seed and query, bars: 95 % interval "
            "over seeds (Student's t). Dashed: the loss of "
            f"{-TWIN_MARGIN:g} point beyond which a sub-model counts as sacrificed. "
            f"{describe_protocol([twins, *groups])}"
        ),
        alternative="Self-test minus that of the independent twin, points of mAP: "
        f"{'; '.join(words)}.",
    )


def _draw_levels(
    axes: Axes, groups: Sequence[Group], own: dict[str, list[float]], widths: Sequence[float]
) -> None:
    """Draw the self-tests of the twins and of the methods."""
    for index, group in enumerate(groups):
        values = group.self_tests[:, [width in widths for width in group.widths]]
        bars = values.std(axis=0, ddof=1) if len(values) > 1 else None
        places = _places(own[group.method], widths, index - (len(groups) - 1) / 2)
        draw_points(axes, group.method, places, values.mean(axis=0), yerr=bars, lw=1.3)
    _name_widths(axes, widths)
    axes.set(title="Self-tests", ylabel="mAP (%)")


def _draw_gaps(
    axes: Axes,
    effects: dict[str, list[Effect]],
    own: dict[str, list[float]],
    widths: Sequence[float],
) -> None:
    """Draw the differences of the methods to the twins."""
    axes.axhline(0, color=MUTED, lw=0.8, zorder=1)
    axes.axhline(TWIN_MARGIN, color=MUTED, lw=0.8, ls=(0, (4, 3)), zorder=1)
    for index, (method, of_method) in enumerate(effects.items()):
        means = np.array([effect.effect for effect in of_method])
        ends = np.array([(effect.ci_low, effect.ci_high) for effect in of_method]).T
        places = _places(own[method], widths, index - (len(effects) - 1) / 2)
        draw_points(axes, method, places, means, yerr=np.abs(ends - means), lw=1.3)
    _name_widths(axes, widths)
    axes.set(title="Difference to the independent twin", ylabel="points of mAP")


def _places(own: Sequence[float], widths: Sequence[float], shift: float) -> Float64s:
    """Return where a method's points are: at the index of each width, moved aside."""
    return np.array([widths.index(width) for width in own]) + DODGE * shift


def _name_widths(axes: Axes, widths: Sequence[float]) -> None:
    axes.set_xticks(range(len(widths)), [width_name(width) for width in widths])
    axes.set_xlabel("width")
    axes.grid(visible=False, axis="x")
