"""Paired effects over seeds, their intervals and their one-sided tests."""

import numpy as np
import pytest
from scipy import stats

from sfsc.statistics.paired import effects_of_seeds, paired_effect, pool_conditions


@pytest.mark.parametrize("bound", [0.0, -1.0])
def test_interval_and_p_values_are_those_of_the_paired_t_test(bound: float):
    """Over the seeds' means, against the bound, one-sided in both directions."""
    generator = np.random.default_rng(0)
    ours, theirs = generator.normal(1, 1, (5, 40)), generator.normal(0, 1, (5, 40))
    effect = paired_effect(ours - theirs, bound=bound)
    pair = (ours.mean(axis=1), theirs.mean(axis=1) + bound)
    above = stats.ttest_rel(*pair, alternative="greater")
    interval = stats.ttest_rel(*pair).confidence_interval(0.95)
    assert effect.p_value == pytest.approx(above.pvalue)
    assert effect.p_opposite == pytest.approx(stats.ttest_rel(*pair, alternative="less").pvalue)
    assert effect.effect == pytest.approx((ours - theirs).mean())
    assert effect.ci_low == pytest.approx(interval.low + bound)
    assert effect.ci_high == pytest.approx(interval.high + bound)
    assert effect.deviation == pytest.approx((ours - theirs).mean(axis=1).std(ddof=1))
    assert effect.n_seeds == 5


def test_the_interval_is_above_the_bound_where_p_is_below_a_fortieth():
    """A 95 % interval has 2.5 % on each side."""
    values = np.random.default_rng(0).normal(1, 1, (200, 4))
    effects = effects_of_seeds(values, bound=0.2)
    assert {effect.is_above for effect in effects} == {False, True}
    assert all(effect.is_above == (effect.p_value < 0.025) for effect in effects)
    assert all(effect.is_below == (effect.p_opposite < 0.025) for effect in effects)


def test_one_seed_has_a_mean_alone():
    """NaN exceeds no bound."""
    effect = paired_effect(np.full((1, 40), 2.0))
    assert effect.effect == 2
    numbers = (effect.ci_low, effect.ci_high, effect.p_value, effect.p_opposite, effect.deviation)
    assert np.isnan(numbers).all()
    assert not effect.is_above
    assert not effect.is_below


@pytest.mark.parametrize(
    ("bound", "p_value", "p_opposite"), [(0.0, 0.0, 1.0), (1.0, 1.0, 0.0), (0.5, 0.5, 0.5)]
)
def test_seeds_without_any_spread_are_sure(bound: float, p_value: float, p_opposite: float):
    """Unless they are at the bound, where they say nothing."""
    effect = effects_of_seeds(np.array([[0.5, 0.5]]), bound=bound)[0]
    assert (effect.p_value, effect.p_opposite) == (p_value, p_opposite)
    assert (effect.ci_low, effect.ci_high) == (0.5, 0.5)


def test_conditions_with_the_same_seeds_are_averaged_by_seed():
    """Each condition counts equally."""
    values = np.random.default_rng(0).normal(size=(3, 4, 6))  # (conditions, seeds, queries)
    pooled = pool_conditions([dict(enumerate(condition)) for condition in values])
    assert pooled == pytest.approx(values.mean(axis=0))


def test_the_pooled_mean_uses_every_seed_of_every_condition():
    """It is the mean of the conditions' means, whatever seeds they have."""
    first, second = {0: np.array([1.0]), 1: np.array([3.0]), 2: np.array([8.0])}, {1: np.array([6])}
    assert pool_conditions([first, second]).mean() == pytest.approx((4 + 6) / 2)


def test_a_pooled_effect_of_unequal_conditions_is_as_sure_as_it_says():
    """Simulated: SFSC under three conditions against one shared BCT-S; 20, 5 and 5 seeds."""
    generator = np.random.default_rng(0)
    n_studies, seeds = 2000, (20, 5, 5)
    rejected = 0
    for _ in range(n_studies):
        rival = generator.normal(0, 1.4, 20)
        conditions = [
            {s: v[None] for s, v in enumerate(generator.normal(0, 1.4, n) - rival[:n])}
            for n in seeds
        ]
        effect = paired_effect(pool_conditions(conditions), n_seeds=min(seeds))
        rejected += effect.is_above or effect.is_below
    assert 0.01 < rejected / n_studies <= 0.06
