"""The crossed bootstrap: would an effect hold with other seeds and on other queries?

All seeds are tested with the same queries, and queries of one identity resemble each other. So
seeds and identities are drawn independently, each with replacement, and a drawn identity brings all
of its queries (Owen, Annals of Applied Statistics 1, 2007: the pigeonhole bootstrap, whose variance
is at worst slightly too large).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sfsc.statistics.paired import CONFIDENCE, Float64s

DRAWS = 4000
"""Draws per interval: its width then varies by about 1 %."""


def crossed_interval(
    values: Float64s, identities: NDArray[np.integer], *, draws: int = DRAWS
) -> tuple[float, float]:
    """Return a 95 % interval of the mean over seeds and queries if both were drawn anew.

    It is the mean plus and minus t sqrt(n / (n - 1)) times the standard deviation of the draws'
    means: Student's t of n - 1 degrees of freedom, n the smaller of the numbers of seeds and
    identities. A percentile interval would be too narrow with few seeds. Where queries do not vary,
    this is Student's interval over seeds, up to the number of draws.

    Args:
        values: One per seed and query, (S, Q).
        identities: Identity of each query, (Q,).
        draws: Number of draws.

    Returns:
        Lower and upper end; NaN with one seed or one identity.
    """
    means = crossed_means(values, identities, draws=draws)
    n = min(len(values), len(np.unique(identities)))
    if n < 2:
        return float("nan"), float("nan")
    factor = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * np.sqrt(n / (n - 1))
    mean, half = values.mean(), factor * means.std()
    return float(mean - half), float(mean + half)


def crossed_means(values: Float64s, identities: NDArray[np.integer], *, draws: int) -> Float64s:
    """Return the mean of each draw, (draws,); the same for the same values.

    To draw is to weight with multinomial counts, so all means are two matrix products.

    Args:
        values: One per seed and query, (S, Q).
        identities: Identity of each query, (Q,).
        draws: Number of draws.

    >>> crossed_means(np.ones((2, 3)), np.array([7, 7, 8]), draws=4)
    array([1., 1., 1., 1.])
    """
    _, member, sizes = np.unique(identities, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(member, weights=seed) for seed in values])  # (S, I)
    seeds, drawn = draw_counts(0, len(values), draws), draw_counts(1, len(sizes), draws)
    means: Float64s = ((seeds @ sums) * drawn).sum(axis=1) / (len(values) * (drawn @ sizes))
    return means


@lru_cache(maxsize=8)
def draw_counts(stream: int, n: int, draws: int) -> NDArray[np.int64]:
    """Return how often each of n things occurs in each draw of n with replacement, (draws, n).

    Cached, as all comparisons of a study share their seeds and queries.

    Args:
        stream: Number of the random stream: different ones are independent.
        n: Number of things.
        draws: Number of draws.
    """
    generator = np.random.default_rng([stream, n])
    return generator.multinomial(n, np.full(n, 1 / n), size=draws)
