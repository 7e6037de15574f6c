"""The rules by which comparisons become verdicts (DESIGN.md 6).

A claim consists of comparisons ("parts"), each of which should exceed its bound. A part is

* reproduced if its 95 % interval is above the bound and its corrected p < 0.05;
* contradicted if its interval is below the bound and its corrected opposite p < 0.05;
* no difference if its whole interval is within the margin of the bound: too small to matter;
* undecided otherwise, and always with one seed.

A claim gets the worst verdict of its parts, worst first: contradicted, not tested (the study lacks
something it needs), undecided, no difference, reproduced. It is contradicted, too, if a condition
that its part pools is.

Both corrections are over the claims of a study by Holm's method. A claim holds only if each part
does (intersection-union), so its p-value is the largest of its parts'. It fails if any part or
condition does (union-intersection), so its opposite p-value is the smallest of theirs times their
number. Hence, under no effect, a study has a false "reproduced" with probability 0.05 at most, and
a false "contradicted" likewise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sfsc.reporting.claims.comparisons import Comparison, Question
from sfsc.statistics.holm import holm
from sfsc.statistics.power import (
    INTERVAL_LEVEL,
    seeds_for_width,
    seeds_to_decide,
    smallest_detectable_effect,
)

Verdict = Literal["contradicted", "not tested", "undecided", "no difference", "reproduced"]
WORST_FIRST: tuple[Verdict, ...] = (
    "contradicted", "not tested", "undecided", "no difference", "reproduced",
)  # fmt: skip
ERROR_RATE = 0.05
"""Probability of any false "reproduced" in a study, and of any false "contradicted"."""


@dataclass(frozen=True)
class Part:
    """A judged comparison."""

    comparison: Comparison
    verdict: Verdict
    level: float
    """What its p-value must be below for it to be reproduced."""

    @property
    def smallest_detectable_effect(self) -> float | None:
        """Distance above the bound that so many seeds find with 80 % power; None with one seed."""
        effect = self.comparison.effect
        if effect.n_seeds < 2:
            return None
        level = min(self.level, INTERVAL_LEVEL)
        return smallest_detectable_effect(effect.deviation, effect.n_seeds, level=level)

    @property
    def more_seeds(self) -> int | None:
        """Further seeds that a decision about the margin needs; None if decided or with one seed.

        Where the effect lies so unluckily between 0 and the margin that enough seeds did not
        decide, as many as make the interval no wider than the margin.
        """
        effect, margin = self.comparison.effect, self.comparison.scale.margin
        if self.verdict != "undecided" or effect.n_seeds < 2:
            return None
        level = min(self.level, INTERVAL_LEVEL)
        needed = seeds_to_decide(margin, effect.deviation, level=level)
        if needed <= effect.n_seeds:
            needed = seeds_for_width(margin, effect.deviation)
        return max(1, needed - effect.n_seeds)


@dataclass(frozen=True)
class Claim:
    """A judged claim on a data set."""

    question: Question
    verdict: Verdict
    p_value: float | None
    """Largest of its parts', corrected over the claims; None if it was not tested."""
    parts: tuple[Part, ...]
    conditions: tuple[Part, ...]

    @property
    def deciding(self) -> Part | None:
        """The part with the worst verdict, among equals the least sure; None without parts."""
        parts = self.parts
        if self.verdict == "contradicted":
            parts += self.conditions
        return min(parts, key=_rank, default=None)

    @property
    def more_seeds(self) -> int | None:
        """Further seeds that a decision needs; None if decided or if a part has one seed."""
        open_parts = [part for part in self.parts if part.verdict == "undecided"]
        if self.verdict != "undecided" or _tests([p.comparison for p in open_parts]) < len(
            open_parts
        ):
            return None
        return max(part.more_seeds or 0 for part in open_parts)

    @property
    def more_core_minutes(self) -> float | None:
        """Cost of these seeds: for each run, as many as the part with the greatest need."""
        if self.more_seeds is None:
            return None
        costs: dict[str, float] = {}
        for part in self.parts:
            for run, seconds in (part.comparison.core_seconds or {}).items():
                costs[run] = max(costs.get(run, 0.0), (part.more_seeds or 0) * seconds)
        return sum(costs.values()) / 60


def judge(questions: Sequence[Question]) -> list[Claim]:
    """Judge all claims of a study together."""
    p_values = [_p_value(question) for question in questions]
    opposite = [_p_opposite(question) for question in questions]
    return [
        _judge_one(question, adjusted, level, opposite_level)
        for question, adjusted, level, opposite_level in zip(
            questions, holm(p_values), _levels(p_values), _levels(opposite), strict=True
        )
    ]


def _p_value(question: Question) -> float | None:
    """Return the p-value of "every part holds", None if that cannot be tested."""
    if question.missing or not question.parts or _tests(question.parts) != len(question.parts):
        return None
    return max(part.effect.p_value for part in question.parts)


def _p_opposite(question: Question) -> float | None:
    """Return the p-value of "some part or condition is below its bound", None without a test."""
    effects = [c.effect for c in (*question.parts, *question.conditions) if c.effect.n_seeds > 1]
    p_values = [effect.p_opposite for effect in effects]
    return min(1.0, len(p_values) * min(p_values)) if p_values else None


def _tests(comparisons: Sequence[Comparison]) -> int:
    """Return how many comparisons have a test: those with more than one seed."""
    return sum(comparison.effect.n_seeds > 1 for comparison in comparisons)


def _levels(p_values: Sequence[float | None]) -> list[float]:
    """Return the level at which Holm's method tests each claim: a p-value below it is rejected.

    0.05 divided by the number of claims less those of the others that are rejected.
    """
    is_rejected = [p is not None and p < ERROR_RATE for p in holm(p_values)]
    n_tested = sum(p is not None for p in p_values)
    return [ERROR_RATE / max(1, n_tested - sum(is_rejected) + own) for own in is_rejected]


def _judge_one(
    question: Question, p_value: float | None, level: float, opposite_level: float
) -> Claim:
    n_tests = max(1, _tests([*question.parts, *question.conditions]))
    parts, conditions = (
        tuple(judge_part(c, level=level, opposite_level=opposite_level / n_tests) for c in group)
        for group in (question.parts, question.conditions)
    )
    verdicts = [part.verdict for part in parts]
    if question.missing or not parts:
        verdicts.append("not tested")
    if any(condition.verdict == "contradicted" for condition in conditions):
        verdicts.append("contradicted")
    return Claim(question, min(verdicts, key=WORST_FIRST.index), p_value, parts, conditions)


def judge_part(comparison: Comparison, *, level: float, opposite_level: float) -> Part:
    """Judge one comparison.

    Args:
        comparison: What to judge.
        level: What its p-value must be below for "reproduced".
        opposite_level: What its opposite p-value must be below for "contradicted".
    """
    effect, margin = comparison.effect, comparison.scale.margin
    verdict: Verdict = "undecided"
    if effect.is_above and effect.p_value < level:
        verdict = "reproduced"
    elif effect.is_below and effect.p_opposite < opposite_level:
        verdict = "contradicted"
    elif effect.bound - margin <= effect.ci_low and effect.ci_high <= effect.bound + margin:
        verdict = "no difference"
    return Part(comparison, verdict, level)


def _rank(part: Part) -> tuple[int, float, float]:
    """Return the sort key of `Claim.deciding`; with one seed the effect stands in for p."""
    effect = part.comparison.effect
    is_tested = effect.n_seeds > 1
    return (
        WORST_FIRST.index(part.verdict),
        -effect.p_value if is_tested else -1.0,
        effect.effect - effect.bound,
    )
