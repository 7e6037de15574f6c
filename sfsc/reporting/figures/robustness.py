"""Whether SFSC stays ahead when something else changes (DESIGN.md 1: C6)."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sfsc.reporting.drawing import Drawing, describe_protocol, draw_nothing
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
from sfsc.reporting.style import INK, PAGE, add_axes
from sfsc.settings.jobs import Condition

COLUMNS = 3
WIDTH, HEIGHT, PITCH = 1.8, 1.25, 2.35
"""Of the panel of a numeric variation, and the distance to the next one, inches."""
WORDS, LINE = 1.25, 0.24
"""Of a categorical one: room for the conditions' names, height of a condition; inches."""


@dataclass(frozen=True)
class Panel:
    """One variation: average mAP by method and condition."""

    name: str
    values: Mapping[str, Mapping[str, Float64s]]
    """Percent of each seed, (S,), by method and condition."""
    unchanged: Mapping[str, str]
    """Of a method, the condition under which it is as compared."""

    @property
    def conditions(self) -> list[str]:
        """All conditions, in their order."""
        return list(dict.fromkeys(name for of in self.values.values() for name in of))

    @property
    def is_numeric(self) -> bool:
        """Whether the conditions are values of a number."""
        return all(name.replace(".", "").replace("e-", "").isdigit() for name in self.conditions)


def draw(results: Results) -> Drawing:
    """Draw a panel per robustness study: a line over numbers, dots beside names."""
    title = "Robustness"
    studies = results.job.robustness
    if not studies:
        text = "This study has no robustness conditions."
        return draw_nothing(title, text, results.compared())
    panels = [_read(results, name, conditions) for name, conditions in studies.items()]
    groups = [results.group(c.run) for conditions in studies.values() for c in conditions]
    numeric = [panel for panel in panels if panel.is_numeric]
    named = [panel for panel in panels if not panel.is_numeric]
    figure = _draw([numeric[i : i + COLUMNS] for i in range(0, len(numeric), COLUMNS)],
                   [named[i : i + 2] for i in range(0, len(named), 2)])  # fmt: skip
    return Drawing(
        figure,
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
        of_method = values.setdefault(condition.method, {})
        of_method[condition.condition] = _percent(results, condition.run)
    if list(values) == [OURS] and RIVAL in results.job.compare:
        values[RIVAL] = {}
        level = _percent(results, RIVAL)
        values[RIVAL] = dict.fromkeys(values[OURS], level)
    unchanged = {c.method: c.condition for c in conditions if c.run == c.method}
    return Panel(name, values, unchanged)


def _percent(results: Results, run: str) -> Float64s:
    means: Float64s = results.group(run).map_percent.mean(axis=(1, 2))
    return means


def _draw(numeric: Sequence[Sequence[Panel]], named: Sequence[Sequence[Panel]]) -> Figure:
    """Draw rows of panels from the top: numeric ones, then named ones, a legend above."""
    heights = [max(_height(panel) for panel in row) for row in [*numeric, *named]]
    total = 0.28 + sum(height + 0.66 for height in heights)
    figure = Figure(figsize=(PAGE, total))
    top = total - 0.48
    for row, row_height in zip([*numeric, *named], heights, strict=True):
        for column, panel in enumerate(row):
            is_numeric, height = panel.is_numeric, _height(panel)
            left = 0.5 + column * PITCH if is_numeric else WORDS + column * PAGE / 2
            width = WIDTH if is_numeric else PAGE / 2 - WORDS - 0.25
            axes = add_axes(figure, (left, top - height, width, height))
            (_draw_numbers if is_numeric else _draw_names)(axes, panel)
            axes.set_title(heading(panel.name))
        top -= row_height + 0.66
    _add_legend(figure, [panel for row in [*numeric, *named] for panel in row])
    return figure


def _height(panel: Panel) -> float:
    return HEIGHT if panel.is_numeric else LINE * len(panel.conditions) + 0.1


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
            is_base = panel.unchanged[method] == name
            _draw_point(axes, method, by_condition[name], places[name], is_base=is_base)
    axes.set_xticks(list(places.values()), [f"{float(name):g}" for name in names], size=6.5)
    axes.margins(x=0.08)
    axes.set_ylabel("average mAP (%)")


def _places(numbers: Sequence[float]) -> list[float]:
    """Return where ascending values are drawn: at their logarithms if they span much.

    Zero then is as far from the smallest as the others are from each other on average.

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
    """Draw a line per condition, the methods' points on it."""
    conditions = panel.conditions
    n = len(panel.values)
    for index, (method, by_condition) in enumerate(panel.values.items()):
        shift = 0.16 * (index - (n - 1) / 2)
        for name, values in by_condition.items():
            is_base = panel.unchanged.get(method) == name
            place = conditions.index(name) + shift
            _draw_point(axes, method, values, place, is_base=is_base, is_upright=False)
    axes.set_yticks(
        range(len(conditions)), [textwrap.fill(in_words(name), 22) for name in conditions]
    )
    axes.set_ylim(len(conditions) - 0.5, -0.5)
    axes.set_xlabel("average mAP (%)")


def _draw_point(
    axes: Axes, method: str, values: Float64s, place: float, *, is_base: bool,
    is_upright: bool = True,
) -> None:  # fmt: skip
    colour, mean = method_colour(method), values.mean()
    ends = [[mean - values.min()], [values.max() - mean]]
    x, y, x_ends, y_ends = (place, mean, None, ends) if is_upright else (mean, place, ends, None)
    axes.errorbar(
        x, y, xerr=x_ends, yerr=y_ends, color=colour, marker=method_marker(method),
        markersize=6 if is_base else 4.5, elinewidth=0.9,
        markeredgecolor=INK if is_base else "white", markeredgewidth=0.8 if is_base else 0.5,
        zorder=3,
    )  # fmt: skip


def _add_legend(figure: Figure, panels: Sequence[Panel]) -> None:
    methods = dict.fromkeys(method for panel in panels for method in panel.values)
    handles = [
        Line2D([], [], color=method_colour(m), marker=method_marker(m), label=short_name(m))
        for m in methods
    ]
    figure.legend(handles=handles, loc="upper left", ncols=len(handles), borderaxespad=0.2)


def _in_words(panel: Panel) -> str:
    texts = [
        f"{short_name(method)} "
        + ", ".join(
            f"{in_words(name)} {values.mean():.1f}" for name, values in by_condition.items()
        )
        for method, by_condition in panel.values.items()
    ]
    return f"{heading(panel.name)}: {'; '.join(texts)}."
