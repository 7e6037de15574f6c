"""The rules by which comparisons become verdicts (DESIGN.md 6).

A claim consists of comparisons ("parts"), each of which should exceed a bound, usually 0. A part is

* reproduced if its 95 % interval is above the bound and its t-test has p < 0.05;
* not reproduced if its interval is below the bound;
* inconclusive otherwise, and always with one seed.

A claim gets the worst verdict of its parts, worst first: not reproduced, not tested (the study
lacks something it needs), inconclusive, reproduced. Its effect is that of its hardest part. It
holds only if every part does (an intersection-union test), so its p-value is the largest of its
parts'. Holm's correction is over the claims of a study; a claim needs p < 0.05 after it, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from sfsc.reporting.markup import effect_text
from sfsc.reporting.runs import Float64s
from sfsc.statistics.holm import holm
from sfsc.statistics.paired import Effect, paired_effect

Verdict = Literal["reproduced", "not reproduced", "inconclusive", "not tested"]
WORST_FIRST: tuple[Verdict, ...] = ("not reproduced", "not tested", "inconclusive", "reproduced")
SIGNIFICANCE = 0.05
POINTS = "points of mAP"


@dataclass(frozen=True)
class Comparison:
    """A quantity that should exceed a bound."""

    name: str
    differences: Float64s
    """One per seed and query, (S, Q); Q = 1 where there are no queries."""
    unit: str = POINTS
    bound: float = 0.0
    is_paired: bool = True
    """Whether two methods are compared, or one method with the bound."""

    @cached_property
    def effect(self) -> Effect:
        """The effect; its p-value is not corrected."""
        return paired_effect(self.differences, bound=self.bound)

    @property
    def test(self) -> str:
        """The test and the interval in words."""
        test = "paired t-test over seeds" if self.is_paired else "t-test over seeds"
        against = f" against {self.bound:g}" if self.bound or not self.is_paired else ""
        what = "seeds" if self.differences.shape[1] == 1 else "seeds and queries within seeds"
        return f"two-sided {test}{against}; 95 % interval: bootstrap over {what}"


@dataclass(frozen=True)
class Question:
    """A claim on a data set that is to be judged."""

    id: str
    dataset: str
    statement: str
    parts: tuple[Comparison, ...]
    missing: tuple[str, ...] = ()
    """What the study lacks to test the claim."""
    conditions: tuple[Comparison, ...] = ()
    """Each of the conditions that the part pools, if it pools any."""
    remark: str = ""
    """Further sentences of the explanation."""


@dataclass(frozen=True)
class Part:
    """A judged comparison."""

    name: str
    effect: float
    ci_low: float
    ci_high: float
    p_value: float | None
    """Not corrected; None with one seed."""
    n_seeds: int
    unit: str
    bound: float
    test: str
    verdict: Verdict

    @property
    def text(self) -> str:
        """Effect and interval, typeset."""
        largest = max(abs(self.ci_low), abs(self.ci_high))
        digits = 1 if largest >= 1 else 2 if largest >= 0.1 else 3
        return effect_text(self.effect, self.ci_low, self.ci_high, digits)

    @property
    def sentence(self) -> str:
        """The part in a sentence."""
        bound = f" (bound {self.bound:g})" if self.bound else ""
        return (
            f"{self.name}: {self.text} {self.unit}{bound}, {p_text(self.p_value)}, "
            f"{self.n_seeds} seed{'s' if self.n_seeds > 1 else ''}: {self.verdict}."
        )


@dataclass(frozen=True)
class Claim:
    """A judged claim on a data set."""

    id: str
    dataset: str
    statement: str
    verdict: Verdict
    p_value: float | None
    """Largest of its parts', Holm-corrected over the claims; None if a part has none."""
    hardest: Part | None
    """The part whose effect is the claim's; None if nothing was compared."""
    explanation: str
    parts: tuple[Part, ...]


def judge(questions: Sequence[Question]) -> list[Claim]:
    """Judge all claims of a study together."""
    parts = [[judge_part(part) for part in question.parts] for question in questions]
    conditions = [[judge_part(c) for c in question.conditions] for question in questions]
    largest = [
        None if q.missing else _largest(own) for q, own in zip(questions, parts, strict=True)
    ]
    corrected = iter(holm([p for p in largest if p is not None]))
    p_values = [None if p is None else next(corrected) for p in largest]
    return [_judge_one(*of) for of in zip(questions, parts, conditions, p_values, strict=True)]


def _largest(parts: Sequence[Part]) -> float | None:
    """Return the largest p-value of a claim's parts, None if one has none."""
    p_values = [part.p_value for part in parts if part.p_value is not None]
    return max(p_values) if p_values and len(p_values) == len(parts) else None


def judge_part(comparison: Comparison) -> Part:
    """Judge one comparison."""
    effect, bound, p_value = comparison.effect, comparison.bound, comparison.effect.p_value
    verdict: Verdict = "inconclusive"
    if p_value is not None:
        if effect.ci_low > bound and p_value < SIGNIFICANCE:
            verdict = "reproduced"
        elif effect.ci_high < bound:
            verdict = "not reproduced"
    return Part(
        name=comparison.name,
        effect=effect.effect,
        ci_low=effect.ci_low,
        ci_high=effect.ci_high,
        p_value=p_value,
        n_seeds=effect.n_seeds,
        unit=comparison.unit,
        bound=bound,
        test=comparison.test,
        verdict=verdict,
    )


def _judge_one(
    question: Question, parts: Sequence[Part], conditions: Sequence[Part], p_value: float | None
) -> Claim:
    verdicts = [part.verdict for part in parts]
    if question.missing or not parts:
        verdicts.append("not tested")
    verdict = min(verdicts, key=WORST_FIRST.index)
    if conditions:
        verdict = pooled_verdict(parts[0], conditions)
    is_corrected_away = verdict == "reproduced" and p_value is not None and p_value >= SIGNIFICANCE
    if is_corrected_away:
        verdict = "inconclusive"
    return Claim(
        id=question.id,
        dataset=question.dataset,
        statement=question.statement,
        verdict=verdict,
        p_value=p_value,
        hardest=_hardest(parts),
        explanation=_explain(question, verdict, parts, is_corrected_away=is_corrected_away),
        parts=(*parts, *conditions),
    )


def pooled_verdict(pooled: Part, conditions: Sequence[Part]) -> Verdict:
    """Return the verdict on a claim that should hold under each of several conditions.

    Reproduced if the pooled effect is and every condition's effect is positive; not reproduced if
    the pooled interval is below 0 or more than half of the conditions are negative; inconclusive
    otherwise.
    """
    n_negative = sum(condition.effect < 0 for condition in conditions)
    if pooled.ci_high < 0 or 2 * n_negative > len(conditions):
        return "not reproduced"
    is_everywhere = all(condition.effect > 0 for condition in conditions)
    return "reproduced" if pooled.verdict == "reproduced" and is_everywhere else "inconclusive"


def _hardest(parts: Sequence[Part]) -> Part | None:
    """Return the part with the smallest effect, or the deciding one if units differ."""
    if len({(part.unit, part.bound) for part in parts}) == 1:
        return min(parts, key=lambda part: part.effect)
    return _deciding(parts)


def _deciding(parts: Sequence[Part]) -> Part | None:
    """Return the part with the worst verdict; among equals, the one nearest to its bound.

    Distances are in widths of the interval, as parts may have different units.
    """
    return min(
        parts,
        key=lambda part: (
            WORST_FIRST.index(part.verdict),
            (part.effect - part.bound) / max(part.ci_high - part.ci_low, 1e-12),
        ),
        default=None,
    )


def _explain(
    question: Question, verdict: Verdict, parts: Sequence[Part], *, is_corrected_away: bool
) -> str:
    """Return the reason of a verdict in sentences."""
    opening = {
        "reproduced": "It holds.",
        "not reproduced": "It does not hold here.",
        "inconclusive": "Undecided.",
        "not tested": "Not tested.",
    }[verdict]
    sentences = [opening]
    if question.missing:
        sentences.append(f"The study lacks {', '.join(question.missing)}.")
    if part := _deciding(parts):
        lead = "What decides" if verdict != "reproduced" and len(parts) > 1 else "Hardest part"
        sentences.append(part.sentence if len(parts) == 1 else f"{lead}: {part.sentence}")
        if part.verdict == "inconclusive":
            sentences.append(_reason(part))
    if is_corrected_away:
        sentences.append("Corrected for the number of claims, the test is not significant.")
    return " ".join([*sentences, question.remark]).strip()


def _reason(part: Part) -> str:
    if part.p_value is None:
        return "One seed has no spread to test."
    if part.ci_low <= part.bound:
        return "The interval contains the bound, so neither side is sure."
    return "The interval is above the bound, but the test over seeds is not significant."


def p_text(p_value: float | None) -> str:
    """Return a p-value, typeset.

    >>> p_text(0.04321), p_text(0.00002), p_text(None)
    ('p = 0.043', 'p < 0.001', 'no test')
    """
    if p_value is None:
        return "no test"
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
