"""Capacity chosen per query: the uncertain ones are embedded again by a larger sub-model."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, softmax

NEAREST = 100
"""Nearest gallery images whose scores tell how uncertain a query is."""
TEMPERATURE = 0.1
"""Scale of the scores: cosines differ by about as much."""


def uncertainty(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the entropy of the nearest images' scores, nats: high where none stands out.

    >>> clear, vague = [0.9, 0.1, 0.1], [0.5, 0.5, 0.5]
    >>> a, b = uncertainty(np.array([clear, vague], dtype=np.float32))
    >>> bool(a < b)
    True

    Args:
        scores: Cosines of each query's `NEAREST` nearest images, (Q, k).
    """
    shares = softmax(scores.astype(np.float64) / TEMPERATURE, axis=1)
    entropy: NDArray[np.float64] = entr(shares).sum(axis=1)
    return entropy


def most_uncertain(scores: NDArray[np.float32], share: float) -> NDArray[np.int64]:
    """Return the share of the queries whose ranking is the most uncertain, ascending.

    Args:
        scores: Cosines of each query's nearest images, (Q, k).
        share: In [0, 1]; rounded up to whole queries.
    """
    order = np.argsort(-uncertainty(scores), kind="stable")
    return np.sort(order[: int(np.ceil(share * len(scores)))])
