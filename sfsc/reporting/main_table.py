"""The main table of a study: its frame, its note and its cells as a reader sees them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sfsc.reporting.effects import differences
from sfsc.reporting.fairness import budget, origin
from sfsc.reporting.names import method_colour, method_name
from sfsc.reporting.runs import Group, describe_reranking
from sfsc.reporting.summaries import SUMMARIES, Summary
from sfsc.reporting.table import NONE, Cell, Table, mean_text
from sfsc.statistics.paired import paired_effect

REFERENCES = frozenset({"full_alone", "independent"})
"""Bounds, never the best of the comparison: small platforms cannot run the full network, and
independent networks are not compatible."""


def main_frame(groups: Sequence[Group]) -> pd.DataFrame:
    """Return one row per data set and compared method.

    Columns `<measure>_mean` and `<measure>_std` are percent; the standard deviation is that of a
    sample of seeds (n - 1), missing for one seed; a measure that a method does not have is missing.
    `leads` names the measures in which the method is the best by more than chance: the 95 %
    interval of its paired effect on the second best is above 0.
    """
    leaders = {
        dataset: _leaders([group for group in groups if group.dataset == dataset])
        for dataset in {group.dataset for group in groups}
    }
    return pd.DataFrame(
        [
            _frame_row(group)
            | {"leads": " ".join(m for m, best in leaders[group.dataset].items() if best is group)}
            for group in groups
        ]
    )


def map_columns(group: Group, measures: Mapping[str, Summary]) -> dict[str, object]:
    """Return mean and sample standard deviation over seeds of some measures, percent."""
    columns: dict[str, object] = {}
    for name, measure in measures.items():
        values = pd.Series([measure.of_run(run) for run in group.runs], dtype=float) * 100
        columns[f"{name}_mean"], columns[f"{name}_std"] = values.mean(), values.std(ddof=1)
    return columns


def _frame_row(group: Group) -> dict[str, object]:
    first = group.runs[0]
    return {
        "dataset": group.dataset,
        "method": group.method,
        "n_seeds": len(group.runs),
        **map_columns(group, SUMMARIES),
        "average_precision": first.test["average_precision"],
        "reranking": first.reranking,
        "classifier_gradient": first.record["settings"]["loss"]["classifier_gradient"],
        "seeds": " ".join(map(str, group.seeds)),
    }


def _leaders(groups: Sequence[Group]) -> dict[str, Group | None]:
    """Return for each measure the method of a data set that is best by more than chance."""
    return {name: _leader(measure, groups) for name, measure in SUMMARIES.items()}


def _leader(measure: Summary, groups: Sequence[Group]) -> Group | None:
    means = {
        index: pd.Series([measure.of_run(run) for run in group.runs], dtype=float).mean()
        for index, group in enumerate(groups)
        if group.method not in REFERENCES
    }
    ranking = sorted((i for i, mean in means.items() if mean == mean), key=lambda i: -means[i])  # noqa: PLR0124
    if len(ranking) < 2:
        return None
    best, second = groups[ranking[0]], groups[ranking[1]]
    effect = paired_effect(differences(best, second, measure.of_queries))
    return best if effect.is_above else None


def main_note(groups: Sequence[Group], choices: Sequence[Mapping[str, Any]] | None) -> str:
    """Return the sentences that a reader needs under the table.

    Args:
        groups: The compared rows of all data sets.
        choices: Content of the file of `sfsc choices`, None if there is none.
    """
    return (
        "Percent, mean ± standard deviation over seeds. mAP: mean over all pairs of a query and a "
        "gallery sub-model (for one network: its self-test); self-tests: both the same; "
        "cross-tests: different ones; rank-1 and mINP: means over all pairs. "
        f"{protocol(groups)} Bold: the best of a column where the 95 % interval of its paired "
        "effect on the second best, Student's t over seeds, is above 0; full alone, "
        "which small platforms cannot run, and independent, whose networks are not compatible, do "
        f"not compete. {budget(groups)} {origin(groups, choices)}"
    )


def protocol(groups: Sequence[Group]) -> str:
    """Return the sentences on average precision, re-ranking, removals and seeds."""
    definition = groups[0].runs[0].test["average_precision"]
    skipped = {g.dataset: g.runs[0].test["n_skipped_queries"] for g in groups}
    skips = ", ".join(f"{count} on {dataset}" for dataset, count in skipped.items())
    seeds = ", ".join(dict.fromkeys(" ".join(map(str, group.seeds)) for group in groups))
    removals = (
        "Same identity and camera removed, junk removed, distractors kept; queries without a "
        f"positive, left out: {skips}. Seeds: {seeds}."
    )
    reranking = describe_reranking(groups[0].runs[0])
    return " ".join(
        filter(None, (f"Average precision: {definition} definition.", reranking, removals))
    )


def main_tables(frame: pd.DataFrame) -> list[Table]:
    """Return the table of each data set."""
    head = ("method", "classifier moved by", "seeds", *(m.heading for m in SUMMARIES.values()))
    return [
        Table(str(dataset), head, 2, tuple(_row(row) for _, row in rows.iterrows()))
        for dataset, rows in frame.groupby("dataset", sort=False)
    ]


def _row(row: "pd.Series[Any]") -> tuple[Cell, ...]:
    method, leads = str(row["method"]), str(row["leads"]).split()
    is_one_network = pd.isna(row["off_diagonal_map_mean"])
    return (
        Cell(method_name(method), colour=method_colour(method)),
        Cell(NONE if is_one_network else str(row["classifier_gradient"])),
        Cell(str(row["n_seeds"])),
        *(
            Cell(mean_text(row[f"{name}_mean"], row[f"{name}_std"]), is_best=name in leads)
            for name in SUMMARIES
        ),
    )
