"""Metrics of hand-made ranks, and against plain loops."""

import numpy as np
import pytest

from sfsc.retrieval.metrics import average_precision, cumulative_match, inverse_negative_penalty
from sfsc.retrieval.relevance import Ragged


def ragged(*ranks: list[int]) -> Ragged:
    """Return the ranks of some queries."""
    offsets = np.cumsum([0, *map(len, ranks)])
    return Ragged(np.array([rank for query in ranks for rank in query], dtype=np.int64), offsets)


HITS = ragged([1, 2], [], [2, 5], [4], [])
"""VV, no positive, XVXXV, XXXV, no positive."""


def test_step_average_precision_is_the_mean_precision_at_the_hits():
    """1; (1/2 + 2/5) / 2; 1/4."""
    assert average_precision(HITS) == pytest.approx([1, 0.45, 0.25])


def test_trapezoidal_average_precision_averages_with_the_precision_before_each_hit():
    """1; ((0 + 1/2) / 2 + (1/4 + 2/5) / 2) / 2; (0 + 1/4) / 2."""
    assert average_precision(HITS, "trapezoidal") == pytest.approx([1, 0.2875, 0.125])


def test_trapezoidal_average_precision_is_that_of_the_curve():
    """The area under the precision-recall curve of Market-1501's code, walked image by image."""
    ranks = [2, 3, 7, 19]
    area, old_recall, old_precision, hits = 0.0, 0.0, 1.0, 0
    for position in range(1, 20):
        hits += position in ranks
        recall, precision = hits / len(ranks), hits / position
        area += (recall - old_recall) * (old_precision + precision) / 2
        old_recall, old_precision = recall, precision
    assert average_precision(ragged(ranks), "trapezoidal") == pytest.approx([area])


def test_cumulative_match_asks_for_one_positive_among_the_first():
    """Queries without a positive are left out, not counted as misses."""
    assert cumulative_match(HITS, 1).tolist() == [1, 0, 0]
    assert cumulative_match(HITS, 2).tolist() == [1, 1, 0]
    assert cumulative_match(HITS, 4).tolist() == [1, 1, 1]


def test_inverse_negative_penalty_looks_at_the_last_positive():
    """It is the number of positives over the rank of the last."""
    assert inverse_negative_penalty(HITS) == pytest.approx([1, 2 / 5, 1 / 4])
