"""Comparisons: the measured quantities that a claim consists of."""

from dataclasses import dataclass

import numpy as np

from sfsc.reporting.effects import Value, differences
from sfsc.reporting.runs import Float64s, Group
from sfsc.statistics.bootstrap import crossed_interval
from sfsc.statistics.paired import Effect, paired_effect

POINTS = "points of mAP"


@dataclass(frozen=True)
class Scale:
    """What a comparison is measured in, and from which value on."""

    unit: str = POINTS
    margin: float = 1.0
    """Smallest distance from the bound that matters, in the unit."""
    bound: float = 0.0
    """Value that the quantity should exceed."""


@dataclass(frozen=True)
class Comparison:
    """A quantity that should exceed a bound."""

    name: str
    effect: Effect
    scale: Scale = Scale()
    is_paired: bool = True
    """Whether two methods are compared, or one method with the bound."""
    other_queries: tuple[float, float] | None = None
    """95 % interval if the queries were drawn anew, too; None where there are none."""
    core_seconds: tuple[tuple[str, float], ...] = ()
    """The runs that it compares, each with the cost of a training."""


@dataclass(frozen=True)
class Question:
    """A claim on a data set that is to be judged."""

    id: str
    dataset: str
    statement: str
    parts: tuple[Comparison, ...]
    """All of them must hold."""
    missing: tuple[str, ...] = ()
    """What the study lacks to test the claim."""
    conditions: tuple[Comparison, ...] = ()
    """Where the part is a mean over conditions, each of them: none may be contradicted."""
    remark: str = ""
    """Further sentences of the explanation."""


def compare(
    name: str,
    ours: Group,
    theirs: Group,
    value: Value,
    of_theirs: Value | None = None,
    *,
    scale: Scale = Scale(),
) -> Comparison:
    """Return the comparison of ours minus theirs, paired by seed and query.

    Args:
        name: What is compared, for a reader.
        ours: Runs on a data set.
        theirs: Runs on the same data set.
        value: Reads the value of a run.
        of_theirs: Reads the value of a run of `theirs`, if it is another one.
        scale: Unit and bound of the difference.
    """
    values = differences(ours, theirs, value, of_theirs)
    return of_values(name, values, [ours, theirs], scale=scale)


def level(name: str, group: Group, value: Value, *, scale: Scale) -> Comparison:
    """Return the comparison of one method's value with the bound."""
    values = np.stack([value(run) for run in group.runs])
    return of_values(name, values, [group], scale=scale, is_paired=False)


def of_values(
    name: str,
    values: Float64s,
    groups: list[Group],
    *,
    scale: Scale,
    is_paired: bool = True,
    n_seeds: int | None = None,
) -> Comparison:
    """Return the comparison that was measured as values per seed and query, (S, Q).

    Args:
        name: What is compared, for a reader.
        values: One per seed and query; Q = 1 where there are no queries.
        groups: All runs that it takes.
        scale: Unit and bound of the values.
        is_paired: Whether two methods are compared.
        n_seeds: Seeds to count, S if None.
    """
    has_queries = values.shape[1] > 1
    identities = groups[0].runs[0].query_identities if has_queries else None
    return Comparison(
        name,
        paired_effect(values, bound=scale.bound, n_seeds=n_seeds),
        scale,
        is_paired,
        None if identities is None else crossed_interval(values, identities),
        tuple((f"{group.dataset}/{group.method}", _core_seconds(group)) for group in groups),
    )


def _core_seconds(group: Group) -> float:
    """Return the mean cost of a training of a method, wall-clock seconds times threads."""
    records = [run.record for run in group.runs]
    return float(np.mean([record["wall_seconds"] * record["threads"] for record in records]))
