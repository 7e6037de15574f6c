"""Paired effects: Student's t over seeds, one-sided tests in both directions (DESIGN.md 6).

The unit of evidence is a training, that is a seed: the queries of a test set are the same for all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Float64s = NDArray[np.float64]

CONFIDENCE = 0.95
"""The level of every confidence interval."""


@dataclass(frozen=True)
class Effect:
    """A mean over seeds, with its interval and its tests against a bound.

    With one seed only the mean is known; all other floats are NaN, which exceeds no bound.
    """

    effect: float
    ci_low: float
    """Lower end of the 95 % interval."""
    ci_high: float
    p_value: float
    """One-sided p-value of "above the bound"."""
    p_opposite: float
    """One-sided p-value of "below the bound"."""
    n_seeds: int
    deviation: float
    """Standard deviation between seeds, of the sample (S - 1)."""
    bound: float = 0.0

    @property
    def is_tested(self) -> bool:
        """Whether there are at least two seeds, and so a spread to test."""
        return self.n_seeds > 1

    @property
    def is_above(self) -> bool:
        """Whether the interval is above the bound, equivalently p < 0.025."""
        return self.ci_low > self.bound

    @property
    def is_below(self) -> bool:
        """Whether the interval is below the bound."""
        return self.ci_high < self.bound


def paired_effect(
    differences: Float64s, *, bound: float = 0.0, n_seeds: int | None = None
) -> Effect:
    """Return the effect that paired differences show.

    Args:
        differences: One per seed and query, (S, Q); Q = 1 where there are no queries.
        bound: The mean under the null hypothesis.
        n_seeds: Seeds to count, at most S: fewer than S for the rows of `pool_conditions`.
    """
    return effects_of_seeds(differences.mean(axis=1)[None], bound=bound, n_seeds=n_seeds)[0]


def effects_of_seeds(
    values: Float64s, *, bound: float = 0.0, n_seeds: int | None = None
) -> list[Effect]:
    """Return the effect of each row of values, one value per seed.

    Args:
        values: Shape (rows, S).
        bound: The mean under the null hypothesis.
        n_seeds: Seeds to count in the standard error and the degrees of freedom; S if None.

    >>> effect = effects_of_seeds(np.array([[1.0, 2.0, 3.0]]))[0]
    >>> round(effect.p_value, 4), round(effect.ci_low, 2)
    (0.0371, -0.48)
    """
    n = n_seeds or values.shape[1]
    mean = values.mean(axis=1)
    factor = np.sqrt(n / (n - 1)) if n > 1 else np.nan
    error = factor * values.std(axis=1) / np.sqrt(values.shape[1])
    half = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == bound, 0.0, (mean - bound) / error)  # the error may be 0
    p_value, p_opposite = stats.t.sf(t, n - 1), stats.t.cdf(t, n - 1)
    columns = np.stack([mean, mean - half, mean + half, p_value, p_opposite, np.sqrt(n) * error])
    return [
        Effect(effect, low, high, p, opposite, n, spread, bound)
        for effect, low, high, p, opposite, spread in columns.T.tolist()
    ]


def pool_conditions(conditions: list[dict[int, Float64s]]) -> Float64s:
    """Return differences whose mean is the mean over conditions of each condition's mean.

    Where all conditions have the same seeds, a row is a seed's mean over conditions. Otherwise rows
    are pseudo-values: the overall mean plus S times what the seed contributes to its deviation,
    sum over the conditions c that have it of (d_cs - mean_c) / (K n_c). Their variance over seeds
    is the cluster-robust variance of the mean with seeds as clusters (Liang and Zeger, Biometrika
    73, 1986): a seed may occur in several conditions, and conditions may share a run.

    Args:
        conditions: The differences of each of K conditions by seed, (Q,) each.

    Returns:
        Shape (S, Q), S the number of different seeds.

    >>> pool_conditions([{0: np.array([1.0]), 1: np.array([3.0])}, {1: np.array([6.0])}]).tolist()
    [[3.5], [4.5]]
    """
    seeds = sorted(set().union(*conditions))
    means = [np.mean(list(condition.values()), axis=0) for condition in conditions]
    rows = np.tile(np.mean(means, axis=0), (len(seeds), 1))
    for condition, mean in zip(conditions, means, strict=True):
        scale = len(seeds) / (len(conditions) * len(condition))
        for seed, difference in condition.items():
            rows[seeds.index(seed)] += scale * (difference - mean)
    return rows
