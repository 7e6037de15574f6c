"""Retrieval metrics from the ranks of the positives (DESIGN.md 3).

Each is a function of a query's ascending ranks r_1 < ... < r_n, counted from 1 in the gallery that
the protocol leaves (`sfsc.retrieval.relevance`). Queries without a positive have no value: means
are over the others, and their number is reported.
"""

from typing import Literal

import numpy as np

from sfsc.retrieval.arrays import Float64s
from sfsc.retrieval.relevance import Ragged

Definition = Literal["step", "trapezoidal"]


def average_precision(ranks: Ragged, definition: Definition = "step") -> Float64s:
    """Return the average precision of each query that has a positive.

    step (the usual one: torchreid, fast-reid):  AP = 1/n sum_k  k / r_k
    trapezoidal (the MATLAB code of Market-1501 and VeRi-776): the precision at each hit is
    averaged with the precision just before it, (k - 1) / (r_k - 1), which is 1 at the very top.
    The denominator n is the number of all positives in the gallery.

    Args:
        ranks: Ranks of the positives, ascending within a query.
        definition: `step` or `trapezoidal`.

    Returns:
        Shape (queries with a positive,), in (0, 1].

    >>> ranks = Ragged(np.array([1, 3]), np.array([0, 2]))
    >>> average_precision(ranks), average_precision(ranks, "trapezoidal")
    (array([0.83333333]), array([0.79166667]))
    """
    first = np.repeat(ranks.offsets[:-1], ranks.counts)
    hits = np.arange(1, len(ranks.values) + 1) - first  # k
    precision = hits / ranks.values
    if definition == "trapezoidal":
        is_top = ranks.values == 1
        before = np.where(is_top, 1.0, (hits - 1) / np.where(is_top, 1, ranks.values - 1))
        precision = (precision + before) / 2
    counts = ranks.counts
    has_positive = counts > 0
    return np.add.reduceat(precision, ranks.offsets[:-1][has_positive]) / counts[has_positive]


def cumulative_match(ranks: Ragged, rank: int) -> Float64s:
    """Return whether a positive is among the first `rank` images, for each query that has one.

    The mean over queries is the cumulative match characteristic CMC(rank).

    Args:
        ranks: Ranks of the positives, ascending within a query.
        rank: At least 1.

    Returns:
        Shape (queries with a positive,), 0 or 1.
    """
    best = ranks.values[ranks.offsets[:-1][ranks.counts > 0]]
    return (best <= rank).astype(np.float64)


def inverse_negative_penalty(ranks: Ragged) -> Float64s:
    """Return n / r_n of each query that has a positive; it is 1 if no negative precedes one.

    The mean over queries is mINP (Ye et al., "Deep Learning for Person Re-identification: A Survey
    and Outlook").

    Args:
        ranks: Ranks of the positives, ascending within a query.

    Returns:
        Shape (queries with a positive,), in (0, 1].
    """
    has_positive = ranks.counts > 0
    last = ranks.values[ranks.offsets[1:][has_positive] - 1]
    return ranks.counts[has_positive] / last
