"""The main table: mAP, rank-1 and mINP of every compared method."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sfsc.reporting.captions import describe_test
from sfsc.reporting.effects import differences
from sfsc.reporting.fairness import budget, origin
from sfsc.reporting.markup import NONE, Cell, Table, mean_text, tables_by
from sfsc.reporting.names import method_colour, method_name
from sfsc.reporting.runs import Group
from sfsc.reporting.summaries import SUMMARIES, Summary
from sfsc.statistics.paired import paired_effect

REFERENCES = frozenset({"full_alone", "full_scratch", "independent"})
"""Bounds that are never the best of the comparison: small platforms cannot run the full network,
and independent networks are not compatible."""
CLASSIFIER = "classifier moved by"
HEAD = ("method", *(m.heading for m in SUMMARIES.values()), "seeds", CLASSIFIER)


def main_frame(groups: Sequence[Group]) -> pd.DataFrame:
    """Return one row per data set and compared method.

    Columns `<measure>_mean` and `<measure>_std` are in percent; the standard deviation is that of a
    sample (n - 1) and missing for a single seed. A measure that a method does not have is missing.
    `leads` names the measures in which the method is significantly best: the 95 % interval of its
    paired effect against the second best is above 0.

    Args:
        groups: The compared methods of all data sets.
    """
    leaders = {
        (dataset, name): _leader(measure, [g for g in groups if g.dataset == dataset])
        for dataset in {group.dataset for group in groups}
        for name, measure in SUMMARIES.items()
    }
    rows = [_row(group) for group in groups]
    for group, row in zip(groups, rows, strict=True):
        row["leads"] = " ".join(m for m in SUMMARIES if leaders[group.dataset, m] is group)
    return pd.DataFrame(rows)


def mean_columns(group: Group, measures: Mapping[str, Summary]) -> dict[str, object]:
    """Return mean and sample standard deviation of some measures over seeds, percent."""
    columns: dict[str, object] = {}
    for name, measure in measures.items():
        values = 100 * _by_seed(group, measure)
        columns[f"{name}_mean"], columns[f"{name}_std"] = values.mean(), values.std(ddof=1)
    return columns


def _by_seed(group: Group, measure: Summary) -> "pd.Series[float]":
    return pd.Series([measure.of_run(run) for run in group.runs], dtype=float)


def _row(group: Group) -> dict[str, object]:
    first = group.runs[0]
    return {
        "dataset": group.dataset,
        "method": group.method,
        "n_seeds": len(group.runs),
        **mean_columns(group, SUMMARIES),
        "average_precision": first.test["average_precision"],
        "reranking": first.reranking,
        "classifier_gradient": first.settings.get("loss.submodels.classifier_gradient", "full"),
        "seeds": " ".join(map(str, group.seeds)),
    }


def _leader(measure: Summary, groups: Sequence[Group]) -> Group | None:
    """Return the significantly best method of a data set, None if there is none."""
    rivals = [group for group in groups if group.method not in REFERENCES]
    means = pd.Series([_by_seed(group, measure).mean() for group in rivals], dtype=float)
    ranking = means.dropna().sort_values(ascending=False, kind="stable").index
    if len(ranking) < 2:
        return None
    best, second = rivals[ranking[0]], rivals[ranking[1]]
    effect = paired_effect(differences(best, second, measure.of_queries))
    return best if effect.is_above else None


def main_note(groups: Sequence[Group], choices: Sequence[Mapping[str, Any]]) -> str:
    """Return the sentences below the table.

    Args:
        groups: The compared methods of all data sets.
        choices: Content of the files of `sfsc choices`.
    """
    return (
        "Percent, mean ± standard deviation over seeds. mAP: mean over all pairs of a query and a "
        "gallery sub-model (for one network: its self-test); self-tests: both the same; "
        "cross-tests: different ones; rank-1 and mINP: means over all pairs. "
        f"{_protocol(groups)} Bold: the best of a column where the 95 % interval of its paired "
        "effect on the second best, Student's t over seeds, is above 0; full alone, "
        "which small platforms cannot run, and independent, whose networks are not compatible, do "
        f"not compete. {budget(groups)} {origin(groups, choices)}"
    )


def _protocol(groups: Sequence[Group]) -> str:
    """Return the sentences on average precision, re-ranking, removed images and seeds."""
    first = groups[0].runs[0]
    skipped = {group.dataset: group.runs[0].test["n_skipped_queries"] for group in groups}
    skips = ", ".join(f"{count} on {dataset}" for dataset, count in skipped.items())
    seeds = ", ".join(dict.fromkeys(" ".join(map(str, group.seeds)) for group in groups))
    removals = (
        "Same identity and camera removed, junk removed, distractors kept; queries without a "
        f"positive, left out: {skips}. Seeds: {seeds}."
    )
    definition = f"Average precision: {first.test['average_precision']} definition."
    return " ".join(filter(None, (definition, describe_test(groups), removals)))


def main_tables(frame: pd.DataFrame) -> list[Table]:
    """Return the table of each data set."""
    return tables_by(["dataset"], frame, HEAD, ("method", CLASSIFIER), _cells)


def _cells(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    is_one_network = pd.isna(row["off_diagonal_map_mean"])
    return (
        Cell(method_name(row["method"]), colour=method_colour(row["method"])),
        *(
            Cell(mean_text(row[f"{m}_mean"], row[f"{m}_std"]), m in row["leads"].split())
            for m in SUMMARIES
        ),
        Cell(str(row["n_seeds"])),
        Cell(NONE if is_one_network else row["classifier_gradient"]),
    )
