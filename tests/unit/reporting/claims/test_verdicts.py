"""From numbers to verdicts: every rule on numbers that show it."""

import numpy as np
import pytest

from sfsc.reporting.claims.verdicts import (
    Comparison,
    Part,
    Question,
    Verdict,
    judge,
    judge_part,
    pooled_verdict,
)
from sfsc.statistics.holm import holm


def comparison(*seeds: float, name: str = "A minus B", **fields: object) -> Comparison:
    """Return a comparison whose queries all have their seed's difference."""
    return Comparison(name, np.repeat(np.array(seeds)[:, None], 4, axis=1), **fields)  # type: ignore[arg-type]


def question(*parts: Comparison, **fields: object) -> Question:
    """Return a claim about the parts."""
    return Question("C9", "synthetic", "It works.", parts, **fields)  # type: ignore[arg-type]


def part(effect: float, verdict: Verdict = "reproduced", *, half: float = 1.0) -> Part:
    """Return a judged comparison with an interval of two halves."""
    return Part("x", effect, effect - half, effect + half, 0.01, 3, "points", 0.0, "t", verdict)


@pytest.mark.parametrize(
    ("seeds", "bound", "verdict"),
    [
        ((2.0, 2.1, 1.9), 0.0, "reproduced"),
        ((2.0, 3.5, 0.5), 0.0, "inconclusive"),  # sure by the interval alone
        ((2.0, 2.1, -1.9), 0.0, "inconclusive"),  # the interval contains the bound
        ((-2.0, -2.1, -1.9), 0.0, "not reproduced"),
        ((-0.5, -0.6, -0.4), -1.0, "reproduced"),  # above a bound below 0
        ((0.5, 0.6, 0.4), 1.0, "not reproduced"),  # below a bound above 0
        ((2.0,), 0.0, "inconclusive"),
        ((-2.0,), 0.0, "inconclusive"),
    ],
)
def test_a_comparison_needs_interval_and_test(
    seeds: tuple[float, ...], bound: float, verdict: Verdict
):
    """Both relative to the bound; one seed decides nothing."""
    assert judge_part(comparison(*seeds, bound=bound)).verdict == verdict


def test_claims_are_corrected_for_their_number():
    """A claim's p-value is its largest part's; the correction is over those that can be tested."""
    parts = [comparison(1, 1.2, 0.9), comparison(2, 2.2, 1.7), comparison(0.1, 0.3, -0.1)]
    raw = [float(c.effect.p_value or 0) for c in parts]
    claims = judge(
        [question(parts[0]), question(*parts[1:]), question(parts[0], missing=("`bct`",))]
    )
    assert [claim.p_value for claim in claims] == [*holm([raw[0], max(raw[1:])]), None]
    assert [part.p_value for claim in claims for part in claim.parts] == [*raw, raw[0]]


def test_a_claim_that_the_correction_takes_is_inconclusive():
    """Its parts hold each for itself."""
    barely = question(comparison(2.0, 2.6, 1.4))
    (alone,) = judge([barely])
    assert alone.verdict == "reproduced"
    assert 0.025 < (alone.p_value or 0) < 0.05
    for claim in judge([barely, barely]):
        assert claim.verdict == "inconclusive"
        assert claim.explanation.endswith(
            "Corrected for the number of claims, the test is not significant."
        )


def test_a_claim_is_as_good_as_its_worst_part():
    """Its effect is the smallest one."""
    good, better, bad = (
        comparison(1.01, 1.02, 1.03), comparison(5.01, 5.02, 5.03), comparison(-2.0, -2.1, -1.9)
    )  # fmt: skip
    first, second = judge([question(good, better), question(better, bad)])
    assert (first.verdict, second.verdict) == ("reproduced", "not reproduced")
    assert first.hardest is not None
    assert first.hardest.effect == pytest.approx(1.02)
    assert second.explanation.startswith("It does not hold here. What decides: A minus B: −2.0")  # noqa: RUF001


def test_of_different_units_the_part_that_decides_is_the_hardest():
    """5 percentage points are not more than 2 points of mAP."""
    points = comparison(2.01, 2.02, 2.03)
    share = comparison(5.0, 9.0, 1.0, name="share", unit="%", bound=1.0)
    (claim,) = judge([question(points, share)])
    assert claim.verdict == "inconclusive"
    assert claim.hardest is not None
    assert claim.hardest.name == "share"


def test_what_the_study_lacks_is_not_tested_unless_another_part_fails():
    """One that fails already decides."""
    good, bad = comparison(1.01, 1.02, 1.03), comparison(-2.0, -2.1, -1.9)
    lacks = {"missing": ("`bct`",)}
    verdicts = [claim.verdict for claim in judge([
        question(**lacks), question(good, **lacks), question(bad, **lacks)
    ])]  # fmt: skip
    assert verdicts == ["not tested", "not tested", "not reproduced"]
    (claim,) = judge([question(**lacks)])
    assert claim.hardest is None
    assert claim.explanation == "Not tested. The study lacks `bct`."


@pytest.mark.parametrize(
    ("pooled", "effects", "verdict"),
    [
        (part(2), (1, 2, 3), "reproduced"),
        (part(2), (1, 2, -0.1), "inconclusive"),
        (part(2, "inconclusive"), (1, 2, 3), "inconclusive"),
        (part(2), (-1, -2, 30), "not reproduced"),
        (part(-2), (1, 1, -9), "not reproduced"),
    ],
)
def test_a_pooled_claim_holds_everywhere_or_not(
    pooled: Part, effects: tuple[float, ...], verdict: Verdict
):
    """The mean must be sure and no condition negative."""
    assert pooled_verdict(pooled, [part(effect) for effect in effects]) == verdict


def test_an_undecided_claim_says_why():
    """No spread, an interval around the bound, or a test that is not sure."""
    reasons = [
        claim.explanation.partition("inconclusive. ")[2]
        for seeds in ((2.0,), (2.0, 2.1, -1.9), (2.0, 3.5, 0.5))
        for claim in judge([question(comparison(*seeds))])
    ]
    assert reasons == [
        "One seed has no spread to test.",
        "The interval contains the bound, so neither side is sure.",
        "The interval is above the bound, but the test over seeds is not significant.",
    ]


def test_the_test_is_named():
    """Paired or not, against what, and what was resampled."""
    assert comparison(1, 2).test == (
        "two-sided paired t-test over seeds; 95 % interval: bootstrap over seeds "
        "and queries within seeds"
    )
    level = Comparison("level", np.array([[1.0], [2.0]]), "%", 1.0, is_paired=False)
    assert level.test == (
        "two-sided t-test over seeds against 1; 95 % interval: bootstrap over seeds"
    )


def test_a_part_in_words():
    """Small numbers have more digits."""
    tiny = judge_part(comparison(0.0121, 0.0123, 0.0122))
    assert tiny.text == "+0.012 [+0.012, +0.012]"
    small = judge_part(comparison(0.21, 0.23, 0.22, bound=0.1, unit="log2"))
    assert small.sentence == (
        "A minus B: +0.22 [+0.21, +0.23] log2 (bound 0.1), p = 0.002, 3 seeds: reproduced."
    )
