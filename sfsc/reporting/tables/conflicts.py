"""The table of conflicts: where sub-models' gradients disagree, and how much (DESIGN.md 7)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from sfsc.reporting.curves import has_metric
from sfsc.reporting.dynamics import EARLY, conflict_measures
from sfsc.reporting.markup import Cell, Table, mean_text, tables_by
from sfsc.reporting.names import in_words, method_colour, short_name
from sfsc.reporting.runs import Group, Results
from sfsc.settings.jobs import Condition

COMPARED = "compared"
"""Stands in the column `variation` of the compared methods as they are."""
TWICE = {"whole": "whole", "layer": "by layer", "common": "common block", "cosine": "cosine"}
"""Head of each of `conflict_measures` that is taken early and late in the training."""
ONCE = {"imbalance": "imbalance", "change": "change", "against": "against"}
"""Head of the others."""
DIGITS = {"cosine": 2, "imbalance": 2}
"""Digits after the point, where it is not one."""
MEASURES = (*(f"{name}_{part}" for name in TWICE for part in ("early", "late")), *ONCE)
COLUMNS = (
    "dataset", "variation", "condition", "method", "run", "n_seeds",
    *(f"{name}_{statistic}" for name in MEASURES for statistic in ("mean", "std")),
)  # fmt: skip
NOTE = (
    "Mean over seeds, ± standard deviation (all deviations: CSV), of every network with several "
    f"sub-models. Early: the first {EARLY:.0%} of the training; late: the rest. Whole, by layer, "
    "common block: percent of the pairs of sub-models whose own gradients, before any "
    "aggregation, have a negative cosine: as whole vectors (as often on the weights that both "
    "have), parameter tensor by parameter tensor, and on the weights that all sub-models have, "
    "without the classifier. Cosine: its mean over the pairs, on the weights that both have. "
    "Imbalance: log2(largest / smallest gradient norm) on the common block, per unit of loss "
    "weight. Change: what the nested projection would change of the mean of the gradients, percent "
    "of its norm. Against: percent of the sub-models whose gradient the update points against, as "
    "the method aggregates."
)


def conflict_frame(results: Sequence[Results]) -> pd.DataFrame:
    """Return one row per data set, variation, condition and method with one switchable network.

    Columns `<measure>_mean` and `<measure>_std` are mean and sample standard deviation over seeds
    of each of `conflict_measures`; a standard deviation of one seed is missing. The compared
    methods come first, as the variation "compared".
    """
    rows = [
        {"dataset": of_set.dataset, "variation": name, **condition.model_dump(), **_means(group)}
        for of_set in results
        for name, condition in _conditions(of_set)
        if has_metric(group := of_set.group(condition.run), "cosine_whole")
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _conditions(results: Results) -> Iterator[tuple[str, Condition]]:
    """Yield the compared methods and all conditions, each with the name of its variation."""
    for method in results.job.compare:
        yield COMPARED, Condition(method=method, condition="unchanged", run=method)
    for name, conditions in (results.job.ablation | results.job.robustness).items():
        for condition in conditions:
            yield name, condition


def _means(group: Group) -> dict[str, object]:
    """Return mean and sample standard deviation of the measures over seeds."""
    seeds = pd.DataFrame([conflict_measures(run) for run in group.runs])
    means, deviations = seeds.mean().add_suffix("_mean"), seeds.std(ddof=1).add_suffix("_std")
    return {"n_seeds": len(seeds), **means, **deviations}


def conflict_tables(frame: pd.DataFrame) -> list[Table]:
    """Return a table per data set and variation."""
    twice = (f"{text}, early → late" for text in TWICE.values())
    head = ("condition", "method", *twice, *ONCE.values(), "seeds")
    return tables_by(["dataset", "variation"], frame, head, ("condition", "method"), _cells)


def _cells(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    return (
        Cell(in_words(row["condition"])),
        Cell(short_name(row["method"]), colour=method_colour(row["method"])),
        *(Cell(_change(row, name)) for name in TWICE),
        *(Cell(mean_text(row[f"{n}_mean"], row[f"{n}_std"], digits=_digits(n))) for n in ONCE),
        Cell(str(row["n_seeds"])),
    )


def _change(row: Mapping[Any, Any], name: str) -> str:
    """Return the means of a measure early and late in the training."""
    means = (row[f"{name}_{part}_mean"] for part in ("early", "late"))
    return " → ".join(mean_text(mean, math.nan, digits=_digits(name)) for mean in means)


def _digits(name: str) -> int:
    return DIGITS.get(name, 1)
