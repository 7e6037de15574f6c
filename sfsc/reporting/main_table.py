"""The main table of a study: its frame, its note and its cells as a reader sees them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sfsc.reporting.names import method_name
from sfsc.reporting.runs import Group, Run

MEASURES: dict[str, tuple[str, Callable[[Run], float | None]]] = {
    "average_map": ("mAP", lambda run: run.test["summary"]["average_map"]),
    "diagonal_map": ("self-tests", lambda run: run.test["summary"]["diagonal_map"]),
    "off_diagonal_map": ("cross-tests", lambda run: run.test["summary"]["off_diagonal_map"]),
    "worst_map": ("worst pair", lambda run: run.test["summary"]["worst_map"]),
    "cmc_1": ("rank-1", lambda run: float(run.matrix("cmc_1").mean())),
    "minp": ("mINP", lambda run: float(run.matrix("minp").mean())),
}
"""Column of the tables: heading, and a run's value as a fraction (None: it has no such pair)."""

REFERENCE = "full_alone"
"""Too large for the small platforms: a bound, never the best of the comparison."""
NONE = "\N{EN DASH}"
"""In a cell without a value."""


@dataclass(frozen=True)
class Cell:
    """Mean and standard deviation over seeds."""

    text: str
    is_best: bool
    """Whether the mean is the best of its column and data set."""


@dataclass(frozen=True)
class Row:
    """A method on a data set."""

    method: str
    name: str
    classifier: str
    """Whose losses move the classifier."""
    n_seeds: int
    cells: Mapping[str, Cell]
    """By key of `MEASURES`."""


def main_frame(groups: Sequence[Group]) -> pd.DataFrame:
    """Return one row per data set and method.

    Columns `<measure>_mean` and `<measure>_std` are percent; the standard deviation is that of a
    sample of seeds (n - 1), missing for one seed; a measure that a method does not have is missing.
    """
    return pd.DataFrame([_frame_row(group) for group in groups])


def _frame_row(group: Group) -> dict[str, object]:
    row: dict[str, object] = {
        "dataset": group.dataset, "method": group.method, "n_seeds": len(group.runs)
    }  # fmt: skip
    for name, (_, measure) in MEASURES.items():
        values = pd.Series([measure(run) for run in group.runs], dtype=float) * 100
        row[f"{name}_mean"], row[f"{name}_std"] = values.mean(), values.std(ddof=1)
    first = group.runs[0]
    row["average_precision"] = first.test["average_precision"]
    row["classifier_gradient"] = first.record["settings"]["loss"]["classifier_gradient"]
    row["seeds"] = " ".join(map(str, group.seeds))
    return row


def protocol(groups: Sequence[Group]) -> str:
    """Return the sentences that a reader needs under a table of these runs."""
    definition = groups[0].runs[0].test["average_precision"]
    skipped = {g.dataset: g.runs[0].test["n_skipped_queries"] for g in groups}
    skips = ", ".join(f"{count} on {dataset}" for dataset, count in skipped.items())
    return (
        "Percent, mean ± standard deviation over seeds. mAP: mean over all pairs of a query and a "
        "gallery sub-model (for one network: its self-test); self-tests: both the same; "
        "cross-tests: different ones; rank-1 and mINP: means over all pairs. "
        f"Average precision: {definition} definition. Same identity and camera removed, junk "
        f"removed, distractors kept; queries without a positive, left out: {skips}. Bold: the best "
        "mean of a column, without a test; full alone, which small platforms cannot run, does not "
        "compete."
    )


def table_rows(frame: pd.DataFrame) -> dict[str, list[Row]]:
    """Return the rows of each data set as a reader sees them.

    The best mean of a column is marked; the full network alone is a bound and does not compete.
    """
    return {
        str(dataset): [_row(row, _best(rows)) for _, row in rows.iterrows()]
        for dataset, rows in frame.groupby("dataset", sort=False)
    }


def _best(rows: pd.DataFrame) -> dict[str, float]:
    competitors = rows[rows["method"] != REFERENCE]
    return {name: competitors[f"{name}_mean"].max() for name in MEASURES}


def _row(row: "pd.Series[Any]", best: Mapping[str, float]) -> Row:
    method = str(row["method"])
    is_one_network = pd.isna(row["off_diagonal_map_mean"])
    cells = {}
    for name in MEASURES:
        mean, std = row[f"{name}_mean"], row[f"{name}_std"]
        text = f"{mean:.1f}" if pd.isna(std) else f"{mean:.1f} ± {std:.1f}"
        is_best = method != REFERENCE and mean == best[name]
        cells[name] = Cell(NONE if pd.isna(mean) else text, is_best=is_best)
    return Row(
        method=method,
        name=method_name(method),
        classifier=NONE if is_one_network else str(row["classifier_gradient"]),
        n_seeds=int(str(row["n_seeds"])),
        cells=cells,
    )
