"""Holm's correction for multiple tests (Holm, Scand. J. Statist. 6, 1979)."""

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the adjusted p-values in the given order.

    The k-th smallest of m is multiplied by m - k + 1, raised to the adjusted one before it and cut
    at 1. Rejecting where the result is below 0.05 keeps the probability of any false rejection
    below 0.05, however the tests depend on each other.

    Args:
        p_values: One per test, in [0, 1]; None where nothing was tested, which does not count.

    >>> [p and round(p, 6) for p in holm([0.01, None, 0.04, 0.03])]
    [0.03, None, 0.06, 0.06]
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[index] = largest
    return adjusted
