"""Differences between the runs of two methods, paired by seed and query."""

from collections.abc import Callable

import numpy as np

from sfsc.errors import ResultError
from sfsc.reporting.measures import AVERAGE_MAP
from sfsc.reporting.runs import Float64s, Group, Run
from sfsc.statistics.paired import Effect, paired_effect

Value = Callable[[Run], Float64s]
"""What a run is compared by: a value for each query, or a single one; (Q,) or (1,)."""


def map_effect(ours: Group, theirs: Group) -> Effect:
    """Return the effect on the average mAP, points: ours minus theirs."""
    return paired_effect(differences(ours, theirs, AVERAGE_MAP.of_queries))


def differences(
    ours: Group, theirs: Group, value: Value, of_theirs: Value | None = None
) -> Float64s:
    """Return ours minus theirs of each seed that both have and each query, (S, Q).

    The methods may have different numbers of sub-models: a query's value is a mean over cells.

    Args:
        ours: Runs on a data set.
        theirs: Runs on the same data set.
        value: Of a run.
        of_theirs: Of a run of theirs, if another value is to be compared there.

    Raises:
        ResultError: If they share no seed or were tested with different queries.
    """
    return np.stack(list(differences_by_seed(ours, theirs, value, of_theirs).values()))


def differences_by_seed(
    ours: Group, theirs: Group, value: Value, of_theirs: Value | None = None
) -> dict[int, Float64s]:
    """Return the same by seed, (Q,) each."""
    mine, other = values_by_seed(ours, value), values_by_seed(theirs, of_theirs or value)
    common = sorted(mine.keys() & other.keys())
    if not common:
        raise ResultError(
            f"`{ours.method}` and `{theirs.method}` on `{ours.dataset}` must share a seed to be "
            f"compared. Found {list(ours.seeds)} and {list(theirs.seeds)}. Add one to "
            "`variation_seeds`."
        )
    for seed in common:
        if mine[seed].shape != other[seed].shape:
            raise ResultError(
                f"`{ours.method}` and `{theirs.method}` on `{ours.dataset}`, seed {seed}, must be "
                f"tested with the same queries. Found {len(mine[seed])} and {len(other[seed])}. "
                "Evaluate them again."
            )
    return {seed: mine[seed] - other[seed] for seed in common}


def values_by_seed(group: Group, value: Value) -> dict[int, Float64s]:
    """Return the values of each seed."""
    return {run.seed: value(run) for run in group.runs}
