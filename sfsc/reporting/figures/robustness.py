"""Whether SFSC stays ahead when another setting changes (DESIGN.md 1: C6)."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
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
from sfsc.reporting.runs import Results
from sfsc.reporting.style import INK, PAGE, add_axes, draw_points
from sfsc.settings.jobs import Condition

NUMBERS, HEIGHT = 0.55, 1.25
"""Size of a panel with numbers: room for them at its left, height; inches."""
WORDS, LINE = 1.25, 0.24
"""Size of a panel with names: room for the names, height of a condition; inches."""
MARGIN = 0.15
"""Room at the right of each panel, inches."""
DASHES = (0, (4, 3))
GAP = 0.66
"""Distance between rows of panels, inches."""


def draw(results: Results) -> Drawing:
    """Draw a panel per robustness study: a line over numbers, dots beside names."""
    title = "Average mAP under other settings"
    studies = results.job.robustness
    if not studies:
        text = "This study has no robustness conditions."
        return draw_nothing(title, text, results.compared())
    panels = {name: _read(results, conditions) for name, conditions in studies.items()}
    groups = [results.group(c.run) for conditions in studies.values() for c in conditions]
    words = [_in_words(name, frame) for name, frame in panels.items()]
    has_level = any(frame["is_level"].any() for frame in panels.values())
    level = "Where only SFSC has the setting, the dashed line is BCT-S as it is compared. "
    return Drawing(
        _draw(panels),
        title=title,
        caption=(
            "Average mAP (mean over all pairs of sub-models) when one setting changes; mean over "
            "seeds, bars: their range. Larger, ringed points: the setting of the main comparison. "
            f"{level * has_level}{describe_protocol(groups)}"
        ),
        alternative=f"Average mAP in percent. {' '.join(words)}",
    )


def _read(results: Results, conditions: Sequence[Condition]) -> pd.DataFrame:
    """Return one row per method and condition; BCT-S does not change where SFSC alone is varied."""
    rows = [(c.method, c.condition, c.run, c.run == c.method, False) for c in conditions]
    if {c.method for c in conditions} == {OURS} and RIVAL in results.job.compare:
        rows += [(RIVAL, c.condition, RIVAL, False, True) for c in conditions]
    columns = ["method", "condition", "run", "is_unchanged", "is_level"]
    frame = pd.DataFrame(rows, columns=columns)
    values = [results.group(run).average_map for run in frame["run"]]
    return frame.assign(
        mean=[v.mean() for v in values],
        low=[v.min() for v in values],
        high=[v.max() for v in values],
    )


def _is_numeric(frame: pd.DataFrame) -> bool:
    return bool(pd.to_numeric(frame["condition"], errors="coerce").notna().all())


def _height(frame: pd.DataFrame) -> float:
    """Return the height of a panel in inches."""
    return HEIGHT if _is_numeric(frame) else LINE * frame["condition"].nunique() + 0.1


def _draw(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the panels with numbers, up to three in a row, then those with names, up to two."""
    numeric = [name for name, frame in panels.items() if _is_numeric(frame)]
    named = [name for name in panels if name not in numeric]
    rows = [numeric[i : i + 3] for i in range(0, len(numeric), 3)]
    rows += [named[i : i + 2] for i in range(0, len(named), 2)]
    heights = [max(_height(panels[name]) for name in row) for row in rows]
    total = 0.28 + sum(height + GAP for height in heights)
    figure = Figure(figsize=(PAGE, total))
    top = total - 0.48
    for row, row_height in zip(rows, heights, strict=True):
        is_numeric = row[0] in numeric
        room, draw_panel = (NUMBERS, _draw_numbers) if is_numeric else (WORDS, _draw_names)
        pitch = PAGE / (min(3, len(numeric)) if is_numeric else min(2, len(named)))
        for column, name in enumerate(row):
            height = _height(panels[name])
            place = (room + column * pitch, top - height, pitch - room - MARGIN, height)
            axes = add_axes(figure, place)
            draw_panel(axes, panels[name])
            axes.set_title(heading(name))
        top -= row_height + GAP
    handles = _handles(pd.concat([panels[name] for row in rows for name in row]))
    figure.legend(handles=handles, loc="upper left", ncols=len(handles), borderaxespad=0.2)
    return figure


def _handles(frame: pd.DataFrame) -> list[Line2D]:
    """Return how each method looks in the panels: dashed if it is a level in all of them."""
    return [
        Line2D(
            [], [], color=method_colour(str(method)), label=short_name(str(method)),
            **({"ls": DASHES, "lw": 1} if rows["is_level"].all()
               else {"marker": method_marker(str(method))}),
        )
        for method, rows in frame.groupby("method", sort=False)
    ]  # fmt: skip


def _draw_numbers(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw lines over the values."""
    numbers = sorted(set(frame["condition"].astype(float)))
    places = dict(zip(numbers, _places(numbers), strict=True))
    for method, rows in frame.groupby("method", sort=False):
        colour = method_colour(str(method))
        if rows["is_level"].all():
            axes.axhline(rows["mean"].iloc[0], color=colour, lw=1, ls=DASHES, zorder=1)
            continue
        own = rows.assign(place=rows["condition"].astype(float).map(places)).sort_values("place")
        axes.plot(own["place"], own["mean"], color=colour, zorder=2)
        for row in own.to_dict("records"):
            _draw_point(axes, row, row["place"], is_upright=True)
    axes.set_xticks(list(places.values()), [f"{number:g}" for number in numbers], size=6.5)
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


def _draw_names(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw a line per condition with the methods' points on it."""
    conditions, methods = (list(frame[key].unique()) for key in ("condition", "method"))
    for row in frame.to_dict("records"):
        shift = 0.16 * (methods.index(row["method"]) - (len(methods) - 1) / 2)
        _draw_point(axes, row, conditions.index(row["condition"]) + shift, is_upright=False)
    axes.set_yticks(range(len(conditions)), [textwrap.fill(in_words(c), 22) for c in conditions])
    axes.set_ylim(len(conditions) - 0.5, -0.5)
    axes.set_xlabel("average mAP (%)")


def _draw_point(axes: Axes, row: Mapping[Any, Any], place: float, *, is_upright: bool) -> None:
    """Draw a mean with the range of the seeds as its error bar."""
    mean, is_unchanged = row["mean"], row["is_unchanged"]
    bar = [[mean - row["low"]], [row["high"] - mean]]
    (x, y), name = ((place, mean), "yerr") if is_upright else ((mean, place), "xerr")
    look = {
        "markersize": 6 if is_unchanged else 4.5,
        "markeredgecolor": INK if is_unchanged else "white",
        "markeredgewidth": 0.8 if is_unchanged else 0.5,
    }
    draw_points(axes, row["method"], x, y, capsize=0, zorder=3, **look, **{name: bar})


def _in_words(name: str, frame: pd.DataFrame) -> str:
    texts = [
        f"{short_name(str(method))} "
        + ", ".join(f"{in_words(r['condition'])} {r['mean']:.1f}" for r in rows.to_dict("records"))
        for method, rows in frame.groupby("method", sort=False)
    ]
    return f"{heading(name)}: {'; '.join(texts)}."
