"""Whether SFSC stays ahead when another setting changes (DESIGN.md 1: C6)."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sfsc.reporting.captions import describe_protocol
from sfsc.reporting.drawing import Drawing, draw_nothing
from sfsc.reporting.names import (
    OURS,
    RIVAL,
    heading,
    in_words,
    method_colour,
    method_marker,
    short_name,
)
from sfsc.reporting.runs import Float64s, Results
from sfsc.reporting.style import INK, PAGE, add_axes, draw_points
from sfsc.settings.jobs import Condition

WIDTH, HEIGHT, PITCH = 1.8, 1.25, 2.35
"""Width and height of a panel with numbers, and the distance to the next one; inches."""
WORDS, LINE = 1.25, 0.24
"""Of a panel with names: room for the names, height of a condition; inches."""
GAP = 0.66
"""Distance between rows of panels, inches."""


@dataclass(frozen=True)
class Panel:
    """One robustness study: average mAP by method and condition."""

    name: str
    values: Mapping[str, Mapping[str, Float64s]]
    """Percent of each seed, (S,), by method and condition."""
    unchanged: Mapping[str, str]
    """The condition under which a method is as it is compared, by method."""

    @property
    def conditions(self) -> list[str]:
        """All conditions, in their order."""
        return list(dict.fromkeys(c for by_condition in self.values.values() for c in by_condition))

    @property
    def is_numeric(self) -> bool:
        """Whether the conditions are values of a number."""
        return all(name.replace(".", "").replace("e-", "").isdigit() for name in self.conditions)

    @property
    def height(self) -> float:
        """Height in inches."""
        return HEIGHT if self.is_numeric else LINE * len(self.conditions) + 0.1


def draw(results: Results) -> Drawing:
    """Draw a panel per robustness study: a line over numbers, dots beside names."""
    title = "Robustness"
    studies = results.job.robustness
    if not studies:
        text = "This study has no robustness conditions."
        return draw_nothing(title, text, results.compared())
    panels = [_read(results, name, conditions) for name, conditions in studies.items()]
    groups = [results.group(c.run) for conditions in studies.values() for c in conditions]
    return Drawing(
        _draw(panels),
        title=title,
        caption=(
            "Average mAP (mean over all pairs of sub-models) when one setting changes; mean over "
            "seeds, bars: their range. Larger, ringed points: the setting of the main comparison. "
            "Where only SFSC has the setting, the dashed line is BCT-S as it is compared. "
            f"{describe_protocol(groups)}"
        ),
        alternative="Average mAP in percent. " + " ".join(_in_words(panel) for panel in panels),
    )


def _read(results: Results, name: str, conditions: Sequence[Condition]) -> Panel:
    values: dict[str, dict[str, Float64s]] = {}
    for condition in conditions:
        by_condition = values.setdefault(condition.method, {})
        by_condition[condition.condition] = results.group(condition.run).average_map
    if list(values) == [OURS] and RIVAL in results.job.compare:
        values[RIVAL] = dict.fromkeys(values[OURS], results.group(RIVAL).average_map)
    unchanged = {c.method: c.condition for c in conditions if c.run == c.method}
    return Panel(name, values, unchanged)


def _draw(panels: Sequence[Panel]) -> Figure:
    """Draw the panels with numbers, three in a row, then those with names, two in a row."""
    numeric = [panel for panel in panels if panel.is_numeric]
    named = [panel for panel in panels if not panel.is_numeric]
    rows = [numeric[i : i + 3] for i in range(0, len(numeric), 3)]
    rows += [named[i : i + 2] for i in range(0, len(named), 2)]
    heights = [max(panel.height for panel in row) for row in rows]
    total = 0.28 + sum(height + GAP for height in heights)
    figure = Figure(figsize=(PAGE, total))
    top = total - 0.48
    for row, row_height in zip(rows, heights, strict=True):
        for column, panel in enumerate(row):
            left = 0.5 + column * PITCH if panel.is_numeric else WORDS + column * PAGE / 2
            width = WIDTH if panel.is_numeric else PAGE / 2 - WORDS - 0.25
            axes = add_axes(figure, (left, top - panel.height, width, panel.height))
            (_draw_numbers if panel.is_numeric else _draw_names)(axes, panel)
            axes.set_title(heading(panel.name))
        top -= row_height + GAP
    methods = dict.fromkeys(method for row in rows for panel in row for method in panel.values)
    handles = [
        Line2D([], [], color=method_colour(m), marker=method_marker(m), label=short_name(m))
        for m in methods
    ]
    figure.legend(handles=handles, loc="upper left", ncols=len(handles), borderaxespad=0.2)
    return figure


def _draw_numbers(axes: Axes, panel: Panel) -> None:
    """Draw lines over the values."""
    names = sorted(panel.conditions, key=float)
    places = dict(zip(names, _places([float(name) for name in names]), strict=True))
    for method, by_condition in panel.values.items():
        own = [name for name in names if name in by_condition]
        means = [by_condition[name].mean() for name in own]
        colour = method_colour(method)
        if method not in panel.unchanged:
            axes.axhline(means[0], color=colour, lw=1, ls=(0, (4, 3)), zorder=1)
            continue
        axes.plot([places[name] for name in own], means, color=colour, zorder=2)
        for name in own:
            _draw_point(axes, panel, method, name, places[name])
    axes.set_xticks(list(places.values()), [f"{float(name):g}" for name in names], size=6.5)
    axes.margins(x=0.08)
    axes.set_ylabel("average mAP (%)")


def _places(numbers: Sequence[float]) -> list[float]:
    """Return where ascending values are drawn: at their logarithms if their ratio is 4 or more.

    Zero is then one average step to the left of the smallest positive value.

    >>> _places([0.0, 0.01, 0.1, 1.0]), _places([32.0, 64.0])
    ([-3.0, -2.0, -1.0, 0.0], [32.0, 64.0])
    """
    positive = [number for number in numbers if number > 0]
    if len(positive) < 2 or positive[-1] / positive[0] < 4 or numbers[0] < 0:
        return list(numbers)
    logarithms = [math.log10(number) for number in positive]
    step = (logarithms[-1] - logarithms[0]) / (len(positive) - 1)
    return [logarithms[0] - step] * (len(numbers) - len(positive)) + logarithms


def _draw_names(axes: Axes, panel: Panel) -> None:
    """Draw a line per condition with the methods' points on it."""
    conditions = panel.conditions
    for index, (method, by_condition) in enumerate(panel.values.items()):
        shift = 0.16 * (index - (len(panel.values) - 1) / 2)
        for name in by_condition:
            _draw_point(axes, panel, method, name, conditions.index(name) + shift)
    axes.set_yticks(range(len(conditions)), [textwrap.fill(in_words(c), 22) for c in conditions])
    axes.set_ylim(len(conditions) - 0.5, -0.5)
    axes.set_xlabel("average mAP (%)")


def _draw_point(axes: Axes, panel: Panel, method: str, condition: str, place: float) -> None:
    """Draw a mean with the range of the seeds: upright over a number, level beside a name."""
    values = panel.values[method][condition]
    mean = values.mean()
    ends = [[mean - values.min()], [values.max() - mean]]
    is_unchanged = panel.unchanged.get(method) == condition
    look = {
        "markersize": 6 if is_unchanged else 4.5,
        "markeredgecolor": INK if is_unchanged else "white",
        "markeredgewidth": 0.8 if is_unchanged else 0.5,
        "capsize": 0,
        "zorder": 3,
    }
    if panel.is_numeric:
        draw_points(axes, method, place, mean, yerr=ends, **look)
    else:
        draw_points(axes, method, mean, place, xerr=ends, **look)


def _in_words(panel: Panel) -> str:
    texts = [
        f"{short_name(method)} " + ", ".join(f"{in_words(c)} {v.mean():.1f}" for c, v in by.items())
        for method, by in panel.values.items()
    ]
    return f"{heading(panel.name)}: {'; '.join(texts)}."
