"""The table of conflicts: where sub-models' gradients disagree, and how much (DESIGN.md 7)."""

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
HEADS = {
    "whole_early": "whole, early", "whole_late": "late",
    "layer_early": "by layer, early", "layer_late": "late",
    "common_early": "common block, early", "common_late": "late",
    "cosine_early": "cosine, early", "cosine_late": "late",
    "imbalance": "imbalance", "change": "change", "against": "against",
}  # fmt: skip
"""Head of the column of each of `conflict_measures`."""
DIGITS = {"cosine_early": 2, "cosine_late": 2, "imbalance": 2}
"""Digits after the point, where it is not one."""
COLUMNS = (
    "dataset", "variation", "condition", "method", "run", "n_seeds",
    *(f"{name}_{statistic}" for name in HEADS for statistic in ("mean", "std")),
)  # fmt: skip
NOTE = (
    "Mean ± standard deviation over seeds, of every network with several sub-models. Early: the "
    f"first {EARLY:.0%} of the training; late: the rest. Whole, by layer, common block: percent of "
    "the pairs of sub-models whose own gradients, before any aggregation, have a negative cosine: "
    "as whole vectors (as often on the weights that both have), parameter tensor by parameter "
    "tensor, and on the weights that all sub-models have, without the classifier. Cosine: its mean "
    "over the pairs, on the weights that both have. Imbalance: log2(largest / smallest gradient "
    "norm) on the common block, per unit of loss weight. Change: what the nested projection would "
    "change of the mean of the gradients, percent of its norm. Against: percent of the sub-models "
    "whose gradient the update points against, as the method aggregates."
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
    head = ("condition", "method", "seeds", *HEADS.values())
    return tables_by(["dataset", "variation"], frame, head, 2, _cells)


def _cells(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    return (
        Cell(in_words(row["condition"])),
        Cell(short_name(row["method"]), colour=method_colour(row["method"])),
        Cell(str(row["n_seeds"])),
        *(
            Cell(mean_text(row[f"{name}_mean"], row[f"{name}_std"], digits=DIGITS.get(name, 1)))
            for name in HEADS
        ),
    )
