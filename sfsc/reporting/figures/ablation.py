"""What each ablation changes: a forest plot of paired effects."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sfsc.reporting.captions import describe_protocol
from sfsc.reporting.drawing import Drawing, draw_nothing
from sfsc.reporting.markup import effect_text
from sfsc.reporting.names import OURS, heading, in_words, short_name
from sfsc.reporting.runs import Results
from sfsc.reporting.style import INK, MUTED, PAGE, add_axes, draw_points
from sfsc.reporting.tables.variations import variation_frame

ROW = 0.17
"""Height of a line, inches."""
LEFT, RIGHT = 2.1, 1.35
"""Room for words beside the plot, inches."""


def draw(results: Results) -> Drawing:
    """Draw the effect of each condition on its method, with its interval."""
    title = "Effect of each ablation"
    frame = variation_frame("ablation", [results]).dropna(subset=["effect"])
    if frame.empty:
        text = "This study has no ablation conditions."
        return draw_nothing(title, text, results.compared())
    n_lines = len(frame) + frame["variation"].nunique()
    height = 0.52 + ROW * n_lines
    figure = Figure(figsize=(PAGE, height))
    axes = add_axes(figure, (LEFT, 0.42, PAGE - LEFT - RIGHT, ROW * n_lines))
    _draw_forest(axes, frame)
    axes.set_ylim(n_lines - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("effect of the change on the average mAP, points")
    words = [
        f"{in_words(row['variation'])}, {in_words(row['condition'])}: {row['effect']:+.1f}"
        for row in frame.to_dict("records")
    ]
    groups = [results.group(run) for run in frame["run"]]
    return Drawing(
        figure,
        title=title,
        caption=(
            "Effect of each condition on the average mAP: the condition minus the method as it is "
            "compared (line at 0), paired by seed and query; left of 0 the change does harm. Bars: "
            "95 % interval over seeds (Student's t), not corrected for their number. "
            f"Right: the numbers. {describe_protocol(groups)}"
        ),
        alternative=f"Effects in points of mAP: {'; '.join(words)}.",
    )


def _draw_forest(axes: Axes, frame: pd.DataFrame) -> None:
    axes.axvline(0, color=MUTED, lw=0.8, zorder=1)
    line = 0
    for variation, rows in frame.groupby("variation", sort=False):
        _write(axes, line, -LEFT + 0.1, heading(str(variation)), weight="bold")
        for row in rows.to_dict("records"):
            line += 1
            _draw_effect(axes, line, row)
        line += 1


def _draw_effect(axes: Axes, line: int, row: Mapping[Any, Any]) -> None:
    """Draw a point with its interval, the condition's name left of it, the numbers right."""
    method, effect = row["method"], row["effect"]
    bar = [[effect - row["ci_low"]], [row["ci_high"] - effect]]
    draw_points(
        axes, method, effect, line, xerr=bar, markersize=4.5, elinewidth=1.1, markeredgewidth=0.5
    )
    suffix = "" if method == OURS else f" ({short_name(method)})"
    _write(axes, line, -LEFT + 0.22, in_words(row["condition"]) + suffix)
    axes.annotate(
        effect_text(effect, row["ci_low"], row["ci_high"]), (1, line), (6, 0),
        axes.get_yaxis_transform(), "offset points", va="center_baseline", size=7, color=INK,
    )  # fmt: skip


def _write(axes: Axes, line: int, inches: float, text: str, weight: str = "normal") -> None:
    """Write the words of a line at a distance from the left edge of the axes."""
    axes.annotate(text, (0, line), (72 * inches, 0), axes.get_yaxis_transform(), "offset points",
                  va="center_baseline", size=7, weight=weight, annotation_clip=False)  # fmt: skip
