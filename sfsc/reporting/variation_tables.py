"""The tables of the ablations and of the robustness studies: a row per condition and method."""

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd

from sfsc.config import Condition
from sfsc.reporting.effects import map_effect
from sfsc.reporting.fairness import changes
from sfsc.reporting.main_table import map_columns
from sfsc.reporting.names import OURS, RIVAL, in_words, method_colour, short_name
from sfsc.reporting.runs import Results
from sfsc.reporting.summaries import AVERAGE_MAP
from sfsc.reporting.table import NONE, Cell, Table, effect_text, mean_text

COLUMNS = (
    "dataset", "variation", "condition", "method", "run", "change", "n_seeds", "average_map_mean",
    "average_map_std", "ours", "against", "effect", "ci_low", "ci_high", "n_paired",
)  # fmt: skip
ABLATION_NOTE = (
    "Percent, mean ± standard deviation over seeds; mAP: mean over all pairs of a query and a "
    "gallery sub-model. Effect: this condition minus the method as it is compared, points of mAP, "
    "paired by query and by the seeds that both have, with the 95 % interval over seeds "
    "(Student's t, not corrected for the number of rows)."
)
ROBUSTNESS_NOTE = (
    "Percent, mean ± standard deviation over seeds; mAP: mean over all pairs of a query and a "
    "gallery sub-model. Effect: SFSC minus the other method under the same condition (where SFSC "
    "alone is varied: minus BCT-S as it is compared), points of mAP, paired by query and by "
    "the seeds that both have, with the 95 % interval over seeds (Student's t, not "
    "corrected for the number of rows)."
)


def variation_notes(reranking: str) -> dict[str, str]:
    """Return the sentences under the tables, by kind of variation.

    Args:
        reranking: What `sfsc.reporting.runs.describe_reranking` says of the tests.
    """
    notes = {"ablation": ABLATION_NOTE, "robustness": ROBUSTNESS_NOTE}
    return {kind: f"{note} {reranking}".rstrip() for kind, note in notes.items()}


def ablation_frame(results: Sequence[Results]) -> pd.DataFrame:
    """Return one row per data set, ablation, condition and method.

    `effect` is that of the condition's run (`ours`) minus the unchanged row (`against`).
    """
    return _frame(results, "ablation")


def robustness_frame(results: Sequence[Results]) -> pd.DataFrame:
    """Return one row per data set, robustness study, condition and method.

    `effect` is that of `ours` (SFSC under the condition) minus `against` (the row's method).
    """
    return _frame(results, "robustness")


def _frame(results: Sequence[Results], kind: Literal["ablation", "robustness"]) -> pd.DataFrame:
    rows = [
        _row(of_set, variation, condition, _pair(kind, conditions, condition, of_set))
        for of_set in results
        for variation, conditions in getattr(of_set.job, kind).items()
        for condition in _with_base(conditions, of_set)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _with_base(conditions: Sequence[Condition], results: Results) -> list[Condition]:
    """Return the conditions, before them the unchanged rows that are not among them."""
    runs = {condition.run for condition in conditions}
    methods = dict.fromkeys(condition.method for condition in conditions)
    bases = [m for m in methods if m not in runs and m in results.job.compare]
    return [*(Condition(method=m, condition="base", run=m) for m in bases), *conditions]


def _pair(
    kind: Literal["ablation", "robustness"],
    conditions: Sequence[Condition],
    condition: Condition,
    results: Results,
) -> tuple[str, str] | None:
    """Return which run is compared with which in a condition's row, None if none is."""
    if kind == "ablation":
        pair = (condition.run, condition.method)
    elif condition.method == OURS:
        is_alone = all(other.method == OURS for other in conditions)
        pair = (condition.run, RIVAL if is_alone else condition.run)
    else:
        pair = (our_run(conditions, condition), condition.run)
    return pair if pair[0] != pair[1] and all(run in results for run in pair) else None


def our_run(conditions: Sequence[Condition], condition: Condition) -> str:
    """Return SFSC's run under the same condition, its compared row for the unchanged one."""
    names = {other.condition: other.run for other in conditions if other.method == OURS}
    return names.get(condition.condition, OURS)


def _row(
    results: Results, variation: str, condition: Condition, pair: tuple[str, str] | None
) -> dict[str, object]:
    group = results.group(condition.run)
    row: dict[str, object] = {
        "dataset": results.dataset,
        "variation": variation,
        "condition": condition.condition,
        "method": condition.method,
        "run": condition.run,
        "change": _change(results, condition),
        "n_seeds": len(group.runs),
        **map_columns(group, {"average_map": AVERAGE_MAP}),
    }
    if pair:
        effect = map_effect(results.group(pair[0]), results.group(pair[1]))
        row |= {
            "ours": pair[0],
            "against": pair[1],
            "effect": effect.effect,
            "ci_low": effect.ci_low,
            "ci_high": effect.ci_high,
            "n_paired": effect.n_seeds,
        }
    return row


def _change(results: Results, condition: Condition) -> str:
    """Return in words what differs from the unchanged row."""
    if condition.run == condition.method or condition.method not in results:
        return ""
    base = results.group(condition.method).runs[0].settings
    return changes(results.group(condition.run).runs[0].settings, base)


def variation_tables(frame: pd.DataFrame, effect_heading: str) -> list[Table]:
    """Return a table per data set and variation."""
    head = ("condition", "method", "changed settings", "seeds", "mAP", effect_heading)
    return [
        Table(
            f"{dataset}: {in_words(str(variation))}",
            head,
            3,
            tuple(_cells(row) for _, row in rows.iterrows()),
        )
        for (dataset, variation), rows in frame.groupby(["dataset", "variation"], sort=False)
    ]


def _cells(row: "pd.Series[Any]") -> tuple[Cell, ...]:
    method = str(row["method"])
    return (
        Cell(in_words(str(row["condition"]))),
        Cell(short_name(method), colour=method_colour(method)),
        Cell(str(row["change"]) or NONE),
        Cell(str(row["n_seeds"])),
        Cell(mean_text(row["average_map_mean"], row["average_map_std"])),
        Cell(effect_text(row["effect"], row["ci_low"], row["ci_high"])),
    )
