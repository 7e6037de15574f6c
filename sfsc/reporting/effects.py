"""Differences between the runs of two methods, paired by seed and query."""

from collections.abc import Callable

import numpy as np

from sfsc.errors import ResultError
from sfsc.reporting.runs import Float64s, Group, Run
from sfsc.reporting.summaries import AVERAGE_MAP, self_test
from sfsc.statistics.paired import Effect, paired_effect

Value = Callable[[Run], Float64s]
"""Reads from a run what it is compared by: a value per query, (Q,), or a single one, (1,)."""

TWIN_MARGIN = -1.0
"""Points of mAP that a sub-model may lose to its independent twin (non-inferiority)."""


def map_effect(ours: Group, theirs: Group) -> Effect:
    """Return the effect on the average mAP, ours minus theirs, in points."""
    return paired_effect(differences(ours, theirs, AVERAGE_MAP.of_queries))


def twin_effect(ours: Group, twins: Group, width: float) -> Effect:
    """Return a sub-model's self-test minus that of its independent twin, in points."""
    of_ours, of_twins = (self_test(g.widths.index(width)).of_queries for g in (ours, twins))
    return paired_effect(differences(ours, twins, of_ours, of_twins))


def differences(
    ours: Group, theirs: Group, value: Value, of_theirs: Value | None = None
) -> Float64s:
    """Return ours minus theirs for each shared seed and each query, (S, Q).

    The two methods may have different numbers of sub-models.

    Args:
        ours: Runs on a data set.
        theirs: Runs on the same data set.
        value: Reads the value of a run.
        of_theirs: Reads the value of a run of `theirs`, if it is another one.

    Raises:
        ResultError: If they share no seed or were tested with different queries.
    """
    return np.stack(list(differences_by_seed(ours, theirs, value, of_theirs).values()))


def differences_by_seed(
    ours: Group, theirs: Group, value: Value, of_theirs: Value | None = None
) -> dict[int, Float64s]:
    """Return the differences of each shared seed, (Q,) each, seeds ascending."""
    mine = {run.seed: value(run) for run in ours.runs}
    other = {run.seed: (of_theirs or value)(run) for run in theirs.runs}
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
