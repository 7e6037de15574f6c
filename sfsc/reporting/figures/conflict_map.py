"""Under which settings the gradients of BCT-S conflict (DESIGN.md 7)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sfsc.reporting.captions import describe_data
from sfsc.reporting.drawing import Drawing, draw_nothing
from sfsc.reporting.names import RIVAL, heading, in_words
from sfsc.reporting.runs import Results
from sfsc.reporting.style import INK, MUTED, PAGE, add_axes, draw_points
from sfsc.reporting.tables.conflicts import COMPARED, conflict_frame

LINE = 0.19
"""Height of a row, inches."""
NAMES, TOP, BOTTOM, GAP = 1.62, 0.44, 0.25, 0.14
"""Room for the names, the titles and the axes, and between panels; inches."""


class Panel(NamedTuple):
    """One measure of all conditions."""

    title: str
    late: str
    """Column of `conflict_frame`, without its ending: after the beginning, or of all steps."""
    early: str = ""
    """The same measure at the beginning, if it is drawn."""


PANELS = (
    Panel("Conflicts,\nwhole (%)", "whole_late", "whole_early"),
    Panel("Conflicts,\nby layer (%)", "layer_late", "layer_early"),
    Panel("Cosine", "cosine_late", "cosine_early"),
    Panel("Imbalance of\nnorms (log2)", "imbalance"),
    Panel("Change by the\nprojection (%)", "change"),
    Panel("Updates against\na sub-model (%)", "against"),
)


def draw(results: Results) -> Drawing:
    """Draw a row per condition of BCT-S, a panel per measure."""
    title = "Where gradients conflict: BCT-S under other settings"
    frame = conflict_frame([results])
    frame = frame[(frame["method"] == RIVAL) & (frame["variation"] != COMPARED)]
    if frame.empty:
        text = "This study does not vary BCT-S."
        return draw_nothing(title, text, results.compared())
    return Drawing(
        _draw(frame),
        title=title,
        caption=(
            "Each row is BCT-S under another setting; ringed: as it is compared. Filled: after the "
            "first quarter of the training, or over all of it; hollow: in the first quarter. Mean "
            "over seeds, bars: their standard deviation. Conflicts: pairs of sub-models whose "
            "gradients have a negative cosine, before aggregation, as whole vectors and layer by "
            "layer. Cosine: its mean on the weights that both have. Imbalance: largest over "
            "smallest norm on the weights that all have. Change: what the projection would change "
            "of the mean of the gradients, percent of its norm. Against: sub-models whose "
            "gradient the update points against. "
            f"{describe_data([results.group(run) for run in frame['run']])}"
        ),
        alternative=" ".join(
            _in_words(str(variation), rows)
            for variation, rows in frame.groupby("variation", sort=False)
        ),
    )


def _draw(frame: pd.DataFrame) -> Figure:
    """Draw the panels side by side; a line of its own names each variation."""
    places, names = _lines(frame)
    rows = frame.assign(place=places).to_dict("records")
    height = LINE * len(names)
    width = (PAGE - NAMES - 0.1) / len(PANELS) - GAP
    figure = Figure(figsize=(PAGE, TOP + height + BOTTOM))
    for index, panel in enumerate(PANELS):
        axes = add_axes(figure, (NAMES + index * (width + GAP), BOTTOM, width, height))
        axes.axvline(0, color=MUTED, lw=0.8, zorder=0)
        for row in rows:
            _draw_row(axes, panel, row)
        axes.margins(x=0.12)
        if panel.title.endswith("(%)"):  # no share is negative, and all may be zero
            right = max(1.0, axes.get_xlim()[1])
            axes.set_xlim(-0.1 * right, right)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks(places)
        axes.tick_params(axis="y", length=0, labelleft=False)
        axes.set_title(panel.title, size=7)
    _write_names(figure.axes[0], names, places)
    return figure


def _lines(frame: pd.DataFrame) -> tuple[list[int], list[str]]:
    """Return the line of each condition, and the text of each line: a heading begins a variation.

    >>> _lines(pd.DataFrame({"variation": ["a", "b", "b"], "condition": ["x", "y", "z"]}))
    ([1, 3, 4], ['A', 'x', 'B', 'y', 'z'])
    """
    places: list[int] = []
    texts: list[str] = []
    for variation, rows in frame.groupby("variation", sort=False):
        texts.append(heading(str(variation)))
        for condition in rows["condition"]:
            places.append(len(texts))
            texts.append(in_words(condition))
    return places, texts


def _write_names(axes: Axes, names: Sequence[str], places: Sequence[int]) -> None:
    """Write the conditions and, bold, the variations to the left of a panel."""
    for line, name in enumerate(names):
        colour, weight = (INK, "normal") if line in places else (MUTED, "bold")
        axes.text(
            -0.06, line, name, ha="right", va="center_baseline", size=7, color=colour,
            weight=weight, transform=axes.get_yaxis_transform(),
        )  # fmt: skip


def _draw_row(axes: Axes, panel: Panel, row: Mapping[Any, Any]) -> None:
    """Draw a measure of a condition: hollow at the beginning of the training, filled afterwards."""
    place, late, spread = row["place"], row[f"{panel.late}_mean"], row[f"{panel.late}_std"]
    if panel.early:
        early = row[f"{panel.early}_mean"]
        axes.plot([early, late], [place, place], color=MUTED, lw=0.6, zorder=1)
        axes.plot(early, place, marker="o", ms=3.5, mec=MUTED, mew=0.8, mfc="white", zorder=2)
    ring = {"markersize": 5.5, "markeredgecolor": INK} if row["run"] == RIVAL else {}
    bar = None if pd.isna(spread) else spread
    draw_points(axes, RIVAL, late, place, xerr=bar, capsize=0, zorder=3, **ring)


def _in_words(variation: str, rows: pd.DataFrame) -> str:
    texts = [
        f"{in_words(row['condition'])} {row['whole_late_mean']:.0f} % and "
        f"{row['layer_late_mean']:.0f} % conflicts, change {row['change_mean']:.1f} %"
        for row in rows.to_dict("records")
    ]
    return f"{heading(variation)}: {'; '.join(texts)}."
