"""The tables of the ablations and of the robustness studies: a row per condition and method."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sfsc.reporting.effects import map_effect
from sfsc.reporting.fairness import changes
from sfsc.reporting.markup import NONE, Cell, Table, effect_text, mean_text, tables_by
from sfsc.reporting.names import OURS, RIVAL, in_words, method_colour, short_name
from sfsc.reporting.runs import Results
from sfsc.reporting.summaries import AVERAGE_MAP
from sfsc.reporting.tables.main import mean_columns
from sfsc.settings.jobs import Condition

COLUMNS = (
    "dataset", "variation", "condition", "method", "run", "change", "n_seeds", "average_map_mean",
    "average_map_std", "ours", "against", "effect", "ci_low", "ci_high", "n_paired",
)  # fmt: skip
CHANGED = "changed settings"
EFFECT_HEADS = {"ablation": "effect", "robustness": "SFSC minus the method"}
NOTE = (
    "Percent, mean ± standard deviation over seeds; mAP: mean over all pairs of a query and a "
    "gallery sub-model. Effect: {effect}, points of mAP, paired by query and by the seeds that "
    "both have, with the 95 % interval over seeds (Student's t, not corrected for the number of "
    "rows). {remarks}"
)
EFFECTS = {
    "ablation": "this condition minus the method as it is compared",
    "robustness": "SFSC minus the other method under the same condition (where SFSC alone is "
    "varied: minus BCT-S as it is compared)",
}


def variation_note(kind: str, remarks: str) -> str:
    """Return the sentences below the table of a kind of variation.

    Args:
        kind: "ablation" or "robustness".
        remarks: The sentences on cameras and re-ranking (`describe_test`).
    """
    return NOTE.format(effect=EFFECTS[kind], remarks=remarks).rstrip()


def variation_frame(kind: str, results: Sequence[Results]) -> pd.DataFrame:
    """Return one row per data set, variation, condition and method.

    `effect` is the mAP of run `ours` minus that of run `against`. In an ablation these are the
    condition and the method as it is compared; in a robustness study they are SFSC and the row's
    method, both under the condition.

    Args:
        kind: "ablation" or "robustness".
        results: One for each data set.
    """
    rows = [
        _row(of_set, variation, condition, _pair(kind, conditions, condition, of_set))
        for of_set in results
        for variation, conditions in getattr(of_set.job, kind).items()
        for condition in _with_base(conditions, of_set)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _with_base(conditions: Sequence[Condition], results: Results) -> list[Condition]:
    """Return the conditions, preceded by the unchanged methods that are not among them."""
    runs = {condition.run for condition in conditions}
    methods = dict.fromkeys(condition.method for condition in conditions)
    bases = [m for m in methods if m not in runs and m in results.job.compare]
    return [*(Condition(method=m, condition="base", run=m) for m in bases), *conditions]


def _pair(
    kind: str, conditions: Sequence[Condition], condition: Condition, results: Results
) -> tuple[str, str] | None:
    """Return the two runs whose difference is a condition's effect, None if it has none."""
    of_ours = {other.condition: other.run for other in conditions if other.method == OURS}
    if kind == "ablation":
        pair = (condition.run, condition.method)
    elif condition.method == OURS:
        is_alone = all(other.method == OURS for other in conditions)
        pair = (condition.run, RIVAL if is_alone else condition.run)
    else:
        alone = OURS if condition.run == condition.method else condition.run
        pair = (of_ours.get(condition.condition, alone), condition.run)
    return pair if pair[0] != pair[1] and all(run in results for run in pair) else None


def _row(
    results: Results, variation: str, condition: Condition, pair: tuple[str, str] | None
) -> dict[str, object]:
    group = results.group(condition.run)
    row: dict[str, object] = {
        "dataset": results.dataset,
        "variation": variation,
        **condition.model_dump(),
        "change": _change(results, condition),
        "n_seeds": len(group.runs),
        **mean_columns(group, {"average_map": AVERAGE_MAP}),
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
    """Return in words which settings differ from those of the unchanged method."""
    if condition.run == condition.method or condition.method not in results:
        return ""
    base = results.group(condition.method).runs[0].settings
    return changes(results.group(condition.run).runs[0].settings, base)


def variation_tables(kind: str, frame: pd.DataFrame) -> list[Table]:
    """Return a table per data set and variation, without effects where none could be measured.

    Args:
        kind: "ablation" or "robustness".
        frame: The rows of `variation_frame`.
    """
    effect = [EFFECT_HEADS[kind]] if frame["effect"].notna().any() else []
    head = ("condition", "method", "mAP", *effect, "seeds", CHANGED)
    words = ("condition", "method", CHANGED)

    def cells(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
        return (
            Cell(in_words(row["condition"])),
            Cell(short_name(row["method"]), colour=method_colour(row["method"])),
            Cell(mean_text(row["average_map_mean"], row["average_map_std"])),
            *(Cell(effect_text(row["effect"], row["ci_low"], row["ci_high"])) for _ in effect),
            Cell(str(row["n_seeds"])),
            Cell(row["change"] or NONE),
        )

    return tables_by(["dataset", "variation"], frame, head, words, cells)
