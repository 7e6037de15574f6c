"""What each ablation changes: a forest plot of paired effects."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sfsc.reporting.drawing import Drawing, describe_protocol, draw_nothing
from sfsc.reporting.names import OURS, heading, in_words, method_colour, method_marker, short_name
from sfsc.reporting.runs import Results
from sfsc.reporting.style import INK, MUTED, PAGE, add_axes
from sfsc.reporting.table import effect_text
from sfsc.reporting.variation_tables import ablation_frame

ROW = 0.17
"""Height of a line, inches."""
LEFT, RIGHT = 2.1, 1.35
"""Room for words beside the plot, inches."""


def draw(results: Results) -> Drawing:
    """Draw the effect of each condition on its method, with its interval."""
    title = "Ablation"
    frame = ablation_frame([results]).dropna(subset=["effect"])
    if frame.empty:
        text = "This study has no ablation conditions."
        return draw_nothing(title, text, results.compared())
    groups = [results.group(str(run)) for run in frame["run"]]
    n_lines = len(frame) + frame["variation"].nunique()
    height = 0.52 + ROW * n_lines
    figure = Figure(figsize=(PAGE, height))
    axes = add_axes(figure, (LEFT, 0.42, PAGE - LEFT - RIGHT, ROW * n_lines))
    _draw_forest(axes, frame)
    axes.set_ylim(n_lines - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("effect of the change on the average mAP, points")
    return Drawing(
        figure,
        title=title,
        caption=(
            "Effect of each condition on the average mAP: the condition minus the method as it is "
            "compared (line at 0), paired by seed and query; left of 0 the change does harm. Bars: "
            "95 % interval over seeds (Student's t), not corrected for their number. "
            f"At the right the numbers. {describe_protocol(groups)}"
        ),
        alternative="Effects in points of mAP: "
        + "; ".join(
            f"{in_words(str(row['variation']))}, {in_words(str(row['condition']))}: "
            f"{row['effect']:+.1f}"
            for _, row in frame.iterrows()
        )
        + ".",
    )


def _draw_forest(axes: Axes, frame: pd.DataFrame) -> None:
    axes.axvline(0, color=MUTED, lw=0.8, zorder=1)
    line = 0
    for variation, rows in frame.groupby("variation", sort=False):
        _write(axes, line, -LEFT + 0.1, heading(str(variation)), weight="bold")
        for _, row in rows.iterrows():
            line += 1
            _draw_effect(axes, line, row)
        line += 1


def _draw_effect(axes: Axes, line: int, row: "pd.Series[Any]") -> None:
    """Draw a point with its interval, the condition's name at its left, the numbers right."""
    method, effect = str(row["method"]), row["effect"]
    axes.errorbar(
        effect, line, xerr=[[effect - row["ci_low"]], [row["ci_high"] - effect]],
        color=method_colour(method), marker=method_marker(method), markersize=4.5, capsize=2,
        elinewidth=1.1, markeredgecolor="white", markeredgewidth=0.5,
    )  # fmt: skip
    suffix = "" if method == OURS else f" ({short_name(method)})"
    _write(axes, line, -LEFT + 0.22, in_words(str(row["condition"])) + suffix)
    text = effect_text(effect, row["ci_low"], row["ci_high"])
    axes.annotate(
        text, (1, line), (6, 0), axes.get_yaxis_transform(), "offset points",
        va="center_baseline", size=7, color=INK,
    )  # fmt: skip


def _write(axes: Axes, line: int, inches: float, text: str, weight: str = "normal") -> None:
    """Write a line's words at a place left of the axes."""
    axes.annotate(text, (0, line), (72 * inches, 0), axes.get_yaxis_transform(), "offset points",
                  va="center_baseline", size=7, weight=weight, annotation_clip=False)  # fmt: skip
