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
from sfsc.statistics.paired import Effect

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
    effects = [part.effect for part in question.parts]
    if question.missing or not effects or not all(effect.is_tested for effect in effects):
        return None
    return max(effect.p_value for effect in effects)


def _p_opposite(question: Question) -> float | None:
    """Return the p-value of "some part or condition is below its bound", None without a test."""
    p_values = [effect.p_opposite for effect in _tested(question)]
    return min(1.0, len(p_values) * min(p_values)) if p_values else None


def _tested(question: Question) -> list[Effect]:
    """Return the effects of all parts and conditions that have a test."""
    comparisons = (*question.parts, *question.conditions)
    return [comparison.effect for comparison in comparisons if comparison.effect.is_tested]


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
    n_tests = max(1, len(_tested(question)))
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
    return (
        WORST_FIRST.index(part.verdict),
        -effect.p_value if effect.is_tested else -1.0,
        effect.effect - effect.bound,
    )
