"""What the definitions of the metrics promise, for any ranks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sfsc.retrieval.metrics import average_precision, cumulative_match, inverse_negative_penalty
from sfsc.retrieval.relevance import Ragged

queries = st.lists(st.sets(st.integers(1, 60), max_size=8), min_size=1, max_size=6)
"""Ranks of some queries, e.g. [{1, 4}, {}, {2}]: a hit at 1 and 4, no positive, a hit at 2."""


def ragged(ranks: list[set[int]]) -> Ragged:
    """Return the sets as ascending ranks end to end."""
    values = [rank for query in ranks for rank in sorted(query)]
    offsets = np.cumsum([0, *(len(query) for query in ranks)])
    return Ragged(np.array(values, dtype=np.int64), offsets)


@given(queries)
def test_every_metric_is_a_share(ranks: list[set[int]]):
    """0 < AP <= 1 and 0 < INP <= 1, one value for each query that has a positive."""
    found = ragged(ranks)
    n_valid = sum(1 for query in ranks if query)
    for values in (
        average_precision(found, "step"),
        average_precision(found, "trapezoidal"),
        inverse_negative_penalty(found),
    ):
        assert len(values) == n_valid
        assert np.all((values > 0) & (values <= 1))


@given(queries)
def test_the_trapezoidal_ap_never_exceeds_the_step_ap(ranks: list[set[int]]):
    """The precision just before a hit is at most the precision at the hit."""
    found = ragged(ranks)
    step, trapezoidal = average_precision(found, "step"), average_precision(found, "trapezoidal")
    assert np.all(trapezoidal <= step + 1e-12)


@given(queries)
def test_cmc_is_monotone_and_ends_at_one(ranks: list[set[int]]):
    """A larger rank never finds fewer queries; the whole gallery finds all."""
    found = ragged(ranks)
    curve = np.array([cumulative_match(found, rank) for rank in range(1, 62)])
    assert np.all(np.diff(curve, axis=0) >= 0)
    assert np.all(curve[-1] == 1)


@given(queries)
def test_metrics_are_one_exactly_for_perfect_rankings(ranks: list[set[int]]):
    """AP and INP are 1 if and only if the positives are the first images."""
    found = ragged(ranks)
    is_perfect = np.array(
        [sorted(query) == list(range(1, len(query) + 1)) for query in ranks if query]
    )
    assert np.array_equal(average_precision(found, "step") > 1 - 1e-9, is_perfect)
    assert np.array_equal(inverse_negative_penalty(found) == 1, is_perfect)
