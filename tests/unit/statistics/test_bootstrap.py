"""The crossed bootstrap: what it draws, and that its interval covers the truth."""

import numpy as np
import pytest
from scipy import stats

from sfsc.statistics.bootstrap import crossed_interval, crossed_means, draw_counts

IDENTITIES = np.array([5, 5, 5, 7, 8, 8, 9])


def test_it_equals_drawing_one_by_one():
    """All drawn seeds see the same drawn identities, each with all of its queries."""
    values = np.random.default_rng(0).normal(size=(3, 7))
    names = np.unique(IDENTITIES)
    naive = []
    for seed_counts, counts in zip(draw_counts(0, 3, 50), draw_counts(1, 4, 50), strict=True):
        seeds = np.repeat(np.arange(3), seed_counts)
        queries = np.concatenate(
            [np.flatnonzero(identity == IDENTITIES) for identity in np.repeat(names, counts)]
        )
        naive.append(values[np.ix_(seeds, queries)].mean())
    assert crossed_means(values, IDENTITIES, draws=50) == pytest.approx(naive)


def test_as_many_are_drawn_as_there_are():
    """With replacement; seeds and identities from different streams."""
    counts = draw_counts(0, 20, 400)
    assert (counts.sum(axis=1) == 20).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(20), abs=0.2)
    assert not np.array_equal(counts, draw_counts(1, 20, 400))


def test_the_same_values_give_the_same_interval():
    """Also once the cached draws are dropped."""
    values = np.random.default_rng(1).normal(size=(5, 7))
    first = crossed_interval(values, IDENTITIES, draws=200)
    draw_counts.cache_clear()
    assert crossed_interval(values, IDENTITIES, draws=200) == first


def test_without_differences_between_queries_it_is_students_interval():
    """Up to the number of draws."""
    seeds = np.array([1.0, 2.0, 4.0])
    low, high = crossed_interval(np.tile(seeds[:, None], 7), IDENTITIES, draws=100_000)
    expected = stats.ttest_1samp(seeds, 0).confidence_interval()
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.03)


@pytest.mark.parametrize(("shape", "identities"), [((1, 4), [0, 0, 1, 1]), ((4, 2), [3, 3])])
def test_one_seed_or_one_identity_has_no_interval(shape: tuple[int, int], identities: list[int]):
    """Nothing is known of other ones."""
    assert np.isnan(crossed_interval(np.zeros(shape), np.array(identities), draws=10)).all()


@pytest.mark.parametrize(
    ("between_seeds", "between_identities", "n_seeds"),
    [(1.0, 10.0, 5), (2.0, 10.0, 20), (2.0, 0.0, 5), (0.0, 10.0, 20)],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(
    between_seeds: float, between_identities: float, n_seeds: int
):
    """Simulated: 40 identities with 1 to 4 queries; each side misses 2.5 % of the time at most."""
    generator = np.random.default_rng(2)
    member = np.repeat(np.arange(40), np.arange(40) % 4 + 1)
    below = above = 0
    n_studies = 1500
    for _ in range(n_studies):
        values = (
            3
            + generator.normal(0, between_seeds, (n_seeds, 1))
            + generator.normal(0, between_identities, 40)[member]
            + generator.normal(0, 5, (n_seeds, len(member)))
        )
        low, high = crossed_interval(values, member, draws=300)
        below += high < 3
        above += low > 3
    assert max(below, above) / n_studies <= 0.035  # 2.5 % and 2.5 standard errors
