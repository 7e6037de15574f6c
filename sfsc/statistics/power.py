"""Power of the one-sided t-test over seeds: what can be found, and how many seeds it takes."""

from bisect import bisect_left
from collections.abc import Callable

import numpy as np
from scipy import optimize, stats

POWER = 0.8
"""Probability with which an effect should be found."""
INTERVAL_LEVEL = 0.025
"""Level of the one-sided test that a 95 % interval makes."""
MOST_SEEDS = 100_000
"""End of the search for a number of seeds."""


def t_test_power(effect: float, deviation: float, n_seeds: int, *, level: float) -> float:
    """Return the probability that a one-sided t-test rejects, from the noncentral t distribution.

    Args:
        effect: True distance above the bound.
        deviation: Standard deviation between seeds, above 0.
        n_seeds: Number of seeds, at least 2.
        level: The test rejects where p is below it.

    >>> round(t_test_power(2.0, 2.0, 10, level=0.025), 3)
    0.803
    """
    critical = stats.t.isf(level, n_seeds - 1)
    return float(stats.nct.sf(critical, n_seeds - 1, effect / deviation * np.sqrt(n_seeds)))


def smallest_detectable_effect(deviation: float, n_seeds: int, *, level: float) -> float:
    """Return the distance above the bound that is found with 80 % power.

    Args:
        deviation: Standard deviation between seeds.
        n_seeds: Number of seeds, at least 2.
        level: The test rejects where p is below it.

    >>> round(smallest_detectable_effect(2.0, 10, level=0.025), 2)
    1.99
    """
    critical = stats.t.isf(level, n_seeds - 1)

    def lack(shift: float) -> float:
        return POWER - float(stats.nct.sf(critical, n_seeds - 1, shift))

    shift = optimize.brentq(lack, 0.0, 2 * critical + 10)
    return float(shift * deviation / np.sqrt(n_seeds))


def seeds_to_decide(margin: float, deviation: float, *, level: float) -> int:
    """Return the seeds with which a decision about `margin` is made with 80 % power.

    They find an effect of `margin`, and they show for an effect of 0 that the whole 95 % interval
    is within `margin` of it. The latter is two one-sided tests at once, so that 90 % power of each
    are enough.

    Args:
        margin: Smallest effect that matters, above 0.
        deviation: Standard deviation between seeds.
        level: Level of the test that finds an effect.

    >>> seeds_to_decide(1.0, 2.0, level=0.025)
    44
    """

    def is_enough(n_seeds: int) -> bool:
        finds = t_test_power(margin, deviation, n_seeds, level=level) >= POWER
        excludes = t_test_power(margin, deviation, n_seeds, level=INTERVAL_LEVEL)
        return finds and excludes >= (1 + POWER) / 2

    return _first(is_enough) if deviation > 0 else 2


def seeds_for_width(width: float, deviation: float) -> int:
    """Return the seeds with which the 95 % interval is at most that wide.

    >>> seeds_for_width(1.0, 2.0)
    64
    """

    def is_enough(n_seeds: int) -> bool:
        half = stats.t.isf(INTERVAL_LEVEL, n_seeds - 1) * deviation / np.sqrt(n_seeds)
        return bool(2 * half <= width)

    return _first(is_enough)


def _first(is_enough: Callable[[int], bool]) -> int:
    """Return the smallest number of seeds that is enough, by bisection."""
    return 2 + bisect_left(range(2, MOST_SEEDS), 1, key=is_enough)
