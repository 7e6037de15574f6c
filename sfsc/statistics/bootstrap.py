"""The hierarchical bootstrap: draw seeds, and within each drawn seed its queries.

Each draw takes S of S seeds with replacement, and for each of them Q of Q queries with replacement;
a seed that is drawn twice gets two draws of queries. The interval is made of percentiles of the
draws' means. With few seeds it is too narrow, as a sample varies less than its population: a
verdict therefore also needs a t-test over seeds.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Float64s = NDArray[np.float64]

DRAWS = 10_000
"""Draws per interval: its ends then vary by about 1 % of its width."""
_BLOCK = 2**20
"""Random numbers generated at once."""


def bootstrap_means(values: Float64s, *, draws: int = DRAWS) -> Float64s:
    """Return the mean of each bootstrap draw; the same for the same values.

    To draw queries is to weight them with multinomial counts, so the means of all seeds under one
    set of counts are a matrix product. Slot j of draw b uses set b + j of the counts: the sets
    within a draw differ, hence are independent, and each set is used once per slot.

    Args:
        values: One per seed and query, (S, Q).
        draws: Number of draws, at least S.

    Returns:
        Shape (draws,).

    >>> bootstrap_means(np.ones((2, 3)), draws=4)
    array([1., 1., 1., 1.])
    """
    n_seeds, n_queries = values.shape
    means = _weighted_means(values, query_counts(n_queries, draws))  # (draws, S)
    rows = (np.arange(draws)[:, None] + np.arange(n_seeds)) % draws
    drawn: Float64s = means[rows, seed_picks(n_seeds, draws)].mean(axis=1)
    return drawn


def interval(means: Float64s, *, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of bootstrap means."""
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@lru_cache(maxsize=2)
def query_counts(n_queries: int, draws: int) -> NDArray[np.uint8]:
    """Return how often each query occurs in each set of Q drawn queries, (draws, Q).

    Cached, as all comparisons of a study share their test queries.
    """
    generator = np.random.default_rng([0, n_queries])
    counts = np.empty((draws, n_queries), dtype=np.uint8)
    size = max(1, _BLOCK // n_queries)
    for start in range(0, draws, size):
        block = counts[start : start + size]
        drawn = generator.integers(n_queries, size=block.shape)
        drawn += n_queries * np.arange(len(block))[:, None]
        block[:] = np.bincount(drawn.ravel(), minlength=block.size).reshape(block.shape)
    return counts


@lru_cache(maxsize=8)
def seed_picks(n_seeds: int, draws: int) -> NDArray[np.int64]:
    """Return the seeds of each draw as indices, (draws, S)."""
    return np.random.default_rng([1, n_seeds]).integers(n_seeds, size=(draws, n_seeds))


def _weighted_means(values: Float64s, counts: NDArray[np.uint8]) -> Float64s:
    """Return the mean of each seed under each set of counts, (draws, S)."""
    n_queries = values.shape[1]
    size = max(1, _BLOCK // n_queries)
    blocks = (counts[start : start + size] for start in range(0, len(counts), size))
    sums = np.concatenate([block.astype(np.float64) @ values.T for block in blocks])
    means: Float64s = sums / n_queries
    return means
