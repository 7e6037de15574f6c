"""From comparisons to verdicts: every rule on numbers that show it, and simulated studies."""

from collections.abc import Sequence

import numpy as np
import pytest

from sfsc.reporting.claims.comparisons import Comparison, Question, Scale
from sfsc.reporting.claims.verdicts import Claim, Verdict, judge, judge_part
from sfsc.statistics.holm import holm
from sfsc.statistics.paired import Effect, effects_of_seeds, paired_effect
from sfsc.statistics.power import t_test_power

STUDIES = 10_000
POINTS = Scale()


def comparison(
    *seeds: float, name: str = "A minus B", scale: Scale = POINTS, **fields: object
) -> Comparison:
    """Return the comparison that seeds with these differences make."""
    effect = paired_effect(np.array(seeds)[:, None], bound=scale.bound)
    return Comparison(name, effect, scale, **fields)  # type: ignore[arg-type]


def question(*parts: Comparison, **fields: object) -> Question:
    """Return a claim about the parts."""
    return Question("C9", "synthetic", "It works.", parts, **fields)  # type: ignore[arg-type]


def judge_alone(*parts: Comparison, **fields: object) -> Claim:
    """Judge a claim as the only one of its study."""
    return judge([question(*parts, **fields)])[0]


GOOD, BETTER, BAD = (comparison(x, x + 0.1, x - 0.1) for x in (2.0, 5.0, -2.0))
SMALL, OPEN = comparison(0.3, 0.1, -0.2), comparison(2.0, 3.5, -0.5)


@pytest.mark.parametrize(
    ("seeds", "bound", "verdict"),
    [
        ((2.0, 2.1, 1.9), 0.0, "reproduced"),
        ((2.0, 3.5, 0.5), 0.0, "undecided"),  # p = 0.04: the interval contains the bound
        ((2.0, 2.1, -1.9), 0.0, "undecided"),
        ((-2.0, -2.1, -1.9), 0.0, "contradicted"),
        ((-2.0, -3.5, -0.5), 0.0, "undecided"),
        ((0.3, 0.1, -0.2), 0.0, "no difference"),
        ((0.52, 0.5, 0.48), 0.0, "reproduced"),  # small and sure
        ((0.52, 0.5, 0.48), 1.5, "contradicted"),
        ((-0.5, -0.6, -0.4), -1.0, "reproduced"),  # above a bound below 0
        ((-1.2, -0.9, -0.8), -1.0, "no difference"),
        ((0.5, 0.6, 0.4), 1.0, "contradicted"),  # below a bound above 0
        ((2.0,), 0.0, "undecided"),
        ((-2.0,), 0.0, "undecided"),
        ((0.0,), 0.0, "undecided"),
        ((0.0, 0.0), 0.0, "no difference"),
    ],
)
def test_a_comparison_needs_interval_and_test(
    seeds: tuple[float, ...], bound: float, verdict: Verdict
):
    """Both relative to the bound; one seed decides nothing."""
    part = judge_part(comparison(*seeds, scale=Scale(bound=bound)), level=0.05, opposite_level=0.05)
    assert part.verdict == verdict


def test_what_matters_depends_on_the_unit():
    """0.3 points of mAP do not; 0.3 of a correlation does."""
    seeds = (0.3, 0.1, -0.2)
    assert judge_alone(comparison(*seeds)).verdict == "no difference"
    assert judge_alone(comparison(*seeds, scale=Scale("rho", margin=0.1))).verdict == "undecided"


def test_claims_are_corrected_for_their_number():
    """A claim's p-value is its largest part's; the correction is over those that can be tested."""
    parts = [comparison(1, 1.2, 0.9), comparison(2, 2.2, 1.7), comparison(0.1, 0.3, -0.1)]
    raw = [part.effect.p_value for part in parts]
    claims = judge(
        [
            question(parts[0]),
            question(*parts[1:]),
            question(parts[0], missing=("`bct`",)),
            question(comparison(2.0), parts[0]),  # a single seed of one part
        ]
    )
    assert [claim.p_value for claim in claims] == [*holm([raw[0], max(raw[1:])]), None, None]


def test_a_claim_that_the_correction_takes_is_undecided():
    """Its interval is above the bound all the same."""
    barely = question(comparison(2.0, 2.9, 1.3))
    alone, *together = [*judge([barely]), *judge([barely] * 3)]
    assert alone.verdict == "reproduced"
    assert 0.05 / 3 < (alone.p_value or 0) < 0.025
    assert {claim.verdict for claim in together} == {"undecided"}


def test_where_other_claims_are_reproduced_the_correction_is_milder():
    """Holm: of three, two of which are sure, the third is tested alone."""
    sure, barely = question(comparison(2.0, 2.0, 2.0)), question(comparison(2.0, 2.9, 1.3))
    assert [claim.verdict for claim in judge([sure, barely, sure])] == 3 * ["reproduced"]


def test_a_claim_that_is_strongly_wrong_helps_no_other_one():
    """One-sided p-values go into Holm's method: 0.056 stays 0.056 (two-sided it became 0.048)."""

    def of_p(p_value: float) -> Comparison:
        return Comparison("x", Effect(1.0, 0.1, 1.9, p_value, 1 - p_value, 5, 1.0))

    others = [question(of_p(0.5)) for _ in range(5)]
    for wrong in (0.5, 0.9999):
        claims = judge([question(of_p(0.008)), question(of_p(wrong)), *others])
        assert claims[0].p_value == pytest.approx(0.056)
        assert claims[0].verdict == "undecided"
    assert holm([0.008, 0.0001, *5 * [0.5]])[0] == pytest.approx(0.048)


def test_a_claim_is_as_good_as_its_worst_part():
    """The deciding part is the one with the worst verdict."""
    cases: list[tuple[tuple[Comparison, ...], Verdict, Comparison]] = [
        ((GOOD, BETTER), "reproduced", GOOD),
        ((GOOD, SMALL), "no difference", SMALL),
        ((GOOD, SMALL, OPEN), "undecided", OPEN),
        ((GOOD, SMALL, OPEN, BAD), "contradicted", BAD),
    ]
    for parts, verdict, decides in cases:
        claim = judge_alone(*parts)
        assert claim.verdict == verdict
        assert claim.deciding is not None
        assert claim.deciding.comparison is decides


def test_of_single_seeds_the_smallest_effect_decides():
    """They have no p-value."""
    claim = judge_alone(comparison(2.0), comparison(1.0))
    assert claim.verdict == "undecided"
    assert claim.deciding is not None
    assert claim.deciding.comparison.effect.effect == 1.0


def test_what_the_study_lacks_is_not_tested_unless_another_part_fails():
    """One that fails already decides."""
    lacks = {"missing": ("`bct`",)}
    claims = judge([question(**lacks), question(GOOD, **lacks), question(BAD, **lacks)])
    assert [claim.verdict for claim in claims] == ["not tested", "not tested", "contradicted"]
    assert claims[0].deciding is None


@pytest.mark.parametrize(
    ("pooled", "conditions", "verdict"),
    [
        (GOOD, (GOOD, GOOD, BETTER), "reproduced"),
        (GOOD, (GOOD, SMALL, comparison(-0.4, 0.3, -0.2)), "reproduced"),  # no votes
        (GOOD, (GOOD, BETTER, BAD), "contradicted"),
        (OPEN, (GOOD, GOOD, GOOD), "undecided"),
        (SMALL, (GOOD, comparison(-0.4, 0.3, -0.2)), "no difference"),
        (BAD, (GOOD, GOOD), "contradicted"),
    ],
)
def test_a_pooled_claim_needs_the_mean_and_no_contradiction(
    pooled: Comparison, conditions: tuple[Comparison, ...], verdict: Verdict
):
    """The mean decides unless a condition is contradicted."""
    claim = judge_alone(pooled, conditions=conditions)
    assert claim.verdict == verdict
    assert claim.deciding is not None
    assert claim.deciding.comparison is (conditions[-1] if conditions[-1] is BAD else pooled)


def test_a_contradiction_is_corrected_for_the_parts_of_its_claim():
    """The more comparisons, the likelier one is below its bound by chance."""
    below = comparison(-2.0, -2.9, -1.3)  # p = 0.018
    assert judge_alone(below).verdict == "contradicted"
    assert judge_alone(below, GOOD).verdict == "contradicted"
    assert judge_alone(below, GOOD, GOOD).verdict == "undecided"
    assert judge_alone(GOOD, conditions=(below, GOOD)).verdict == "reproduced"


def test_the_level_of_a_part_is_holms():
    """Random studies: a claim is reproduced exactly if its corrected p and its intervals say so."""
    generator = np.random.default_rng(0)
    n_reproduced = 0
    for _ in range(200):
        sizes = generator.integers(1, 4, 6)
        claims = judge(
            [
                question(*(comparison(*generator.normal(4, 2, 4)) for _ in range(size)))
                for size in sizes
            ]
        )
        for claim in claims:
            are_above = all(part.comparison.effect.is_above for part in claim.parts)
            holds = are_above and claim.p_value is not None and claim.p_value < 0.05
            assert (claim.verdict == "reproduced") == holds
            n_reproduced += holds
    assert 100 < n_reproduced < 1100


# Simulated studies: what the verdicts promise.


def simulate(
    n_parts: Sequence[int], effect: float, *, deviation: float, n_seeds: int
) -> list[list[Claim]]:
    """Return judged studies in which every comparison has the same true effect.

    As in a real one the comparisons share the seeds of SFSC, half of the variance each.
    """
    total = sum(n_parts)
    generator = np.random.default_rng(0)
    ours = generator.normal(effect, deviation / 2**0.5, (STUDIES, 1, n_seeds))
    values = ours - generator.normal(0, deviation / 2**0.5, (STUDIES, total, n_seeds))
    effects = iter(effects_of_seeds(values.reshape(-1, n_seeds)))
    return [
        judge([question(*(Comparison("x", next(effects)) for _ in range(n))) for n in n_parts])
        for _ in range(STUDIES)
    ]


def rate(studies: Sequence[Sequence[Claim]], verdict: Verdict) -> float:
    """Return the share of the studies in which any claim has a verdict."""
    return float(np.mean([any(c.verdict == verdict for c in study) for study in studies]))


@pytest.mark.parametrize("n_seeds", [3, 20])
def test_without_effect_a_comparison_alone_is_wrong_as_often_as_it_says(n_seeds: int):
    """2.5 % on either side, also with three seeds."""
    studies = simulate([1], 0.0, deviation=2.0, n_seeds=n_seeds)
    assert rate(studies, "reproduced") == pytest.approx(0.025, abs=0.005)
    assert rate(studies, "contradicted") == pytest.approx(0.025, abs=0.005)


@pytest.mark.parametrize("n_parts", [(1, 1, 1, 1, 1, 1, 1), (5, 2, 2, 2, 4, 1, 5)])
def test_without_effect_a_study_is_wrong_as_often_as_it_says(n_parts: tuple[int, ...]):
    """A false "reproduced" anywhere: 5 % at most; a false "contradicted" anywhere likewise."""
    studies = simulate(n_parts, 0.0, deviation=2.0, n_seeds=5)
    assert rate(studies, "reproduced") <= 0.05
    assert 0.005 < rate(studies, "contradicted") <= 0.05


@pytest.mark.parametrize("effect", [1.0, -1.0])
def test_an_effect_of_a_point_is_rarely_called_no_difference(effect: float):
    """2.5 % of the time at most, on either side of the bound."""
    studies = simulate([1], effect, deviation=1.5, n_seeds=20)
    wrong = np.mean([[claim.verdict == "no difference" for claim in study] for study in studies])
    assert 0.015 < wrong <= 0.029


def test_two_points_are_found_with_the_power_that_is_claimed():
    """20 seeds, sd 2: alone, and as one of seven claims with six that say nothing."""
    generator = np.random.default_rng(1)
    effects = effects_of_seeds(generator.normal(2.0, 2.0, (STUDIES, 20)))
    idle = [question(OPEN)] * 6
    for others, level in (([], 0.025), (idle, 0.05 / 7)):
        found = [
            judge([question(Comparison("x", effect)), *others])[0].verdict == "reproduced"
            for effect in effects
        ]
        expected = t_test_power(2.0, 2.0, 20, level=level)
        assert np.mean(found) == pytest.approx(expected, abs=0.01)
