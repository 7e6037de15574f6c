"""What a part's seeds can find, and what a decision on an undecided claim still costs."""

from dataclasses import dataclass

from sfsc.reporting.claims.verdicts import Claim, Part
from sfsc.statistics.power import (
    INTERVAL_LEVEL,
    seeds_for_width,
    seeds_to_decide,
    smallest_detectable_effect,
)


@dataclass(frozen=True)
class Price:
    """What a decision on a claim needs besides the seeds that it has."""

    seeds: int
    """Further seeds of the part that needs most."""
    core_minutes: float
    """Cost of the further seeds of every run, at the mean cost of its trainings so far."""


def detectable_effect(part: Part) -> float | None:
    """Return the distance above the bound that is found with 80 % power; None with one seed."""
    effect = part.comparison.effect
    if not effect.is_tested:
        return None
    level = min(part.level, INTERVAL_LEVEL)
    return smallest_detectable_effect(effect.deviation, effect.n_seeds, level=level)


def more_seeds(part: Part) -> int | None:
    """Return the further seeds that a decision about the margin needs.

    Where enough seeds did not decide, as the effect lies between the bound and the margin, they are
    as many as make the interval no wider than the margin.

    Returns:
        At least 1; None if the part is decided or has one seed, whose spread is unknown.
    """
    effect, margin = part.comparison.effect, part.comparison.scale.margin
    if part.verdict != "undecided" or not effect.is_tested:
        return None
    level = min(part.level, INTERVAL_LEVEL)
    needed = seeds_to_decide(margin, effect.deviation, level=level)
    if needed <= effect.n_seeds:
        needed = seeds_for_width(margin, effect.deviation)
    return max(1, needed - effect.n_seeds)


def price(claim: Claim) -> Price | None:
    """Return what a decision on an undecided claim needs.

    A run that several parts compare gets the seeds of the part that needs most.

    Returns:
        None if the claim is not undecided, or if an undecided part has one seed.
    """
    needs = {part: more_seeds(part) for part in claim.parts if part.verdict == "undecided"}
    if claim.verdict != "undecided" or None in needs.values():
        return None
    costs: dict[str, float] = {}
    for part, seeds in needs.items():
        for run, seconds in part.comparison.core_seconds:
            costs[run] = max(costs.get(run, 0.0), (seeds or 0) * seconds)
    return Price(max(seeds or 0 for seeds in needs.values()), sum(costs.values()) / 60)
