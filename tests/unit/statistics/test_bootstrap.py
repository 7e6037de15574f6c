"""The hierarchical bootstrap: what it draws, and that its interval covers the truth."""

import numpy as np
import pytest

from sfsc.statistics.bootstrap import bootstrap_means, interval, query_counts, seed_picks


def test_it_equals_drawing_one_by_one():
    """Of each drawn seed its own draw of queries, however often the seed is drawn."""
    values = np.random.default_rng(0).normal(size=(3, 7))
    counts, picks = query_counts(7, 50), seed_picks(3, 50)
    naive = []
    for draw in range(50):
        means = []
        for slot, seed in enumerate(picks[draw]):
            queries = np.repeat(np.arange(7), counts[(draw + slot) % 50])
            assert len(queries) == 7
            means.append(values[seed, queries].mean())
        naive.append(np.mean(means))
    assert bootstrap_means(values, draws=50) == pytest.approx(naive)


def test_a_draw_uses_different_queries_for_each_slot():
    """Otherwise a seed that is drawn twice would bring the same queries twice."""
    counts = query_counts(20, 100)
    assert len(np.unique(counts, axis=0)) == 100
    assert (counts.sum(axis=1) == 20).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(20), abs=0.5)


def test_the_same_values_give_the_same_interval():
    """Also after the cached draws were dropped, and whatever was drawn in between."""
    values = np.random.default_rng(1).normal(size=(5, 30))
    first = interval(bootstrap_means(values, draws=200))
    bootstrap_means(values[:3, :11], draws=200)
    query_counts.cache_clear()
    seed_picks.cache_clear()
    assert interval(bootstrap_means(values, draws=200)) == first


def test_a_constant_has_no_width():
    """Nothing varies, so no draw does."""
    assert interval(bootstrap_means(np.full((4, 9), 2.5), draws=20)) == (2.5, 2.5)


def test_one_value_per_seed_resamples_seeds_alone():
    """What has no queries: the draws are means of drawn seeds."""
    values = np.array([[0.0], [1.0]])
    assert sorted(set(bootstrap_means(values, draws=100))) == [0, 0.5, 1]


@pytest.mark.parametrize("between", [0.0, 1.0])
def test_the_interval_covers_the_truth_as_often_as_it_says(between: float):
    """95 % of the time with many seeds, whether seeds differ or only queries do."""
    generator = np.random.default_rng(2)
    hits = 0
    for _ in range(300):
        seeds = generator.normal(0, between, (30, 1))
        low, high = interval(
            bootstrap_means(seeds + generator.normal(0, 1, (30, 20)) + 3, draws=400)
        )
        hits += low <= 3 <= high
    # Without differences between seeds the queries are drawn on top of what seeds already show.
    assert 0.9 <= hits / 300 <= (0.98 if between else 1.0)
