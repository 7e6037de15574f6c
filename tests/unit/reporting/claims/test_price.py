"""What a decision costs."""

import numpy as np
import pytest

from sfsc.reporting.claims.comparisons import Comparison, Question
from sfsc.reporting.claims.price import detectable_effect, more_seeds, price
from sfsc.reporting.claims.verdicts import Claim, judge
from sfsc.statistics.paired import effects_of_seeds, paired_effect
from sfsc.statistics.power import seeds_for_width, seeds_to_decide, smallest_detectable_effect


def comparison(*seeds: float, core_seconds: tuple[tuple[str, float], ...] = ()) -> Comparison:
    """Return the comparison that seeds with these differences make."""
    effect = paired_effect(np.array(seeds)[:, None])
    return Comparison("A minus B", effect, core_seconds=core_seconds)


def judge_with(n_others: int, *parts: Comparison) -> Claim:
    """Judge a claim beside others that nothing is sure of."""
    questions = [Question("C9", "synthetic", "It works.", group) for group in (parts, (OPEN,))]
    return judge([questions[0], *n_others * [questions[1]]])[0]


GOOD, SMALL, OPEN = (
    comparison(*seeds) for seeds in ((2.0, 2.1, 1.9), (0.3, 0.1, -0.2), (2.0, 3.5, -0.5))
)


@pytest.mark.parametrize(("n_others", "level"), [(0, 0.025), (2, 0.05 / 3)])
def test_an_undecided_part_needs_the_seeds_of_its_margin(n_others: int, level: float):
    """At the level of its test, which the number of claims lowers."""
    (part,) = judge_with(n_others, OPEN).parts
    spread = OPEN.effect.deviation
    assert more_seeds(part) == seeds_to_decide(1.0, spread, level=level) - 3
    assert detectable_effect(part) == smallest_detectable_effect(spread, 3, level=level)


def test_what_is_decided_needs_no_more():
    """It has a smallest detectable effect all the same."""
    for decided in (GOOD, SMALL):
        claim = judge_with(0, decided)
        assert price(claim) is more_seeds(claim.parts[0]) is None
        assert detectable_effect(claim.parts[0]) is not None


def test_one_seed_cannot_tell_what_it_needs():
    """Nor can a claim of which one part has one seed."""
    single = comparison(2.0)
    (part,) = judge_with(0, single).parts
    assert more_seeds(part) is detectable_effect(part) is None
    assert price(judge_with(0, single)) is price(judge_with(0, single, OPEN)) is None


def test_where_enough_seeds_did_not_decide_the_interval_must_shrink():
    """An effect between 0 and the margin is decided once the interval is no wider than it."""
    effect = effects_of_seeds(0.5 + np.resize([2.0, -2.0], (1, 50)))[0]
    claim = judge_with(0, Comparison("x", effect))
    assert claim.verdict == "undecided"
    assert more_seeds(claim.parts[0]) == seeds_for_width(1.0, effect.deviation) - 50


def test_each_run_is_paid_once():
    """Parts share SFSC: it gets as many seeds as the part that needs most; others their own."""
    parts = [
        comparison(2.0, 2.5, x, core_seconds=(("d/sfsc", 60.0), (f"d/{name}", 120.0)))
        for name, x in (("bct_s", -0.5), ("asymmetric_s", 0.5))
    ]
    claim = judge_with(0, *parts, GOOD)
    first, second = (more_seeds(part) or 0 for part in claim.parts[:2])
    assert first > second > 0
    cost = price(claim)
    assert cost is not None
    assert cost.seeds == first
    assert cost.core_minutes == pytest.approx(first * 1 + first * 2 + second * 2)
