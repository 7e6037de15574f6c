"""Holm's correction for multiple comparisons (Holm, Scand. J. Statist. 6, 1979)."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values in the given order.

    The k-th smallest of m is multiplied by m - k + 1, raised to the adjusted one before it and cut
    at 1. Rejecting where the result is below 0.05 keeps the probability of any false rejection
    below 0.05, however the tests depend on each other.

    >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    stepped = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(p) for p in adjusted]
