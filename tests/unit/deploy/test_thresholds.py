"""A threshold keeps its false-match rate."""

import numpy as np
import pytest

from sfsc.deploy.thresholds import estimate_thresholds


def test_the_rate_is_kept_and_nearly_used():
    """On the pairs it was estimated from, at most the rate, and within one pair of it."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((2, 400, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    identity = np.repeat(np.arange(100), 4)
    scores = (vectors[0] @ vectors[1].T)[identity[:, None] != identity[None, :]]
    thresholds = estimate_thresholds(vectors[0], vectors[1], identity)
    assert list(thresholds) == ["fmr=0.1", "fmr=0.01", "fmr=0.001", "fmr=0.0001"]
    for name, least in thresholds.items():
        rate = float(name.removeprefix("fmr="))
        matched = float((scores >= np.float32(least)).mean())
        assert rate - 2 / len(scores) <= matched <= rate


@pytest.mark.parametrize(("n", "names"), [(5, []), (20, ["fmr=0.1"])])
def test_a_rate_of_too_few_pairs_has_no_threshold(n: int, names: list[str]):
    """It would rest on fewer than ten false matches."""
    vectors = np.eye(n, dtype=np.float32)
    assert list(estimate_thresholds(vectors, vectors, np.arange(n))) == names
