"""Cosines from which a pair of images is called the same, at fixed false-match rates."""

import numpy as np
from numpy.typing import NDArray

RATES = (0.1, 0.01, 0.001, 0.0001)
"""False-match rates: shares of the pairs of different identities that are called the same."""
LEAST_MATCHES = 10
"""False matches that a threshold must rest on; rates with fewer have none."""


def estimate_thresholds(
    query: NDArray[np.float32], gallery: NDArray[np.float32], identity: NDArray[np.int64]
) -> dict[str, float]:
    """Return the least cosine of "same" at each false-match rate, by "fmr=<rate>".

    At most the rate's share of the pairs of different identities reaches the cosine.

    >>> identity = np.arange(101)
    >>> angles = np.linspace(0, np.pi, 101, dtype=np.float32)
    >>> vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> sorted(estimate_thresholds(vectors, vectors, identity))
    ['fmr=0.001', 'fmr=0.01', 'fmr=0.1']

    Args:
        query: Unit vectors of some images by one sub-model, (V, D).
        gallery: Unit vectors of the same images by another one, (V, D).
        identity: Their identities, (V,).
    """
    scores = query @ gallery.T
    impostors = np.sort(scores[identity[:, None] != identity[None, :]])[::-1]
    thresholds = {}
    for rate in RATES:
        matches = int(rate * len(impostors))
        if matches >= LEAST_MATCHES:
            thresholds[f"fmr={rate:g}"] = float(np.nextafter(impostors[matches], np.float32(2)))
    return thresholds
