"""Paired effects and their test."""

import numpy as np
import pytest
from scipy import stats

from sfsc.statistics.paired import paired_effect, t_test


@pytest.mark.parametrize("bound", [0.0, -1.0])
def test_the_p_value_is_that_of_the_paired_t_test(bound: float):
    """Over the seeds' means, against the bound."""
    generator = np.random.default_rng(0)
    ours, theirs = generator.normal(1, 1, (5, 40)), generator.normal(0, 1, (5, 40))
    effect = paired_effect(ours - theirs, bound=bound)
    expected = stats.ttest_rel(ours.mean(axis=1), theirs.mean(axis=1) + bound).pvalue
    assert effect.p_value == pytest.approx(expected)
    assert effect.effect == pytest.approx((ours - theirs).mean())
    assert effect.ci_low < effect.effect < effect.ci_high
    assert effect.n_seeds == 5


def test_one_seed_has_an_interval_of_queries_but_no_test():
    """There is no spread over seeds."""
    effect = paired_effect(np.random.default_rng(0).normal(1, 1, (1, 40)))
    assert effect.p_value is None
    assert effect.ci_low < effect.effect < effect.ci_high


def test_seeds_without_any_spread_are_sure():
    """The statistic would be a division by zero."""
    assert t_test(np.array([0.5, 0.5])) == 0
    assert t_test(np.array([0.5, 0.5]), bound=0.5) == 1
