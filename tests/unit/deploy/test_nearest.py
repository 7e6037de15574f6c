"""Search is exact, whatever the block size."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from sfsc.deploy import nearest
from sfsc.deploy.nearest import find_nearest


def unit(generator: np.random.Generator, n: int, dim: int = 16) -> np.ndarray:
    """Return random unit vectors."""
    vectors = generator.standard_normal((n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("block", [1, 7, 64, 10_000])
@pytest.mark.parametrize("k", [1, 10, 500])
def test_hits_are_those_of_a_sort(block: int, k: int, monkeypatch: pytest.MonkeyPatch):
    """All blocks and numbers of hits, with equal scores in the order of the gallery."""
    monkeypatch.setattr(nearest, "BLOCK", block)
    monkeypatch.setattr(nearest, "BLOCK_SCORES", 8 * block)
    # Small whole numbers have exact products: every tie is a true one.
    generator = np.random.default_rng(0)
    query, gallery = (generator.integers(-2, 3, (n, 4)).astype(np.float32) for n in (20, 300))
    hits = find_nearest(query, gallery, k)
    scores = query @ gallery.T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(hits.images, order)
    np.testing.assert_array_equal(hits.scores, np.take_along_axis(scores, order, axis=1))


def test_no_query_has_no_hits():
    """The shape still says how many there would be."""
    gallery = unit(np.random.default_rng(0), 5)
    assert find_nearest(gallery[:0], gallery, 3).images.shape == (0, 3)


def test_faiss_searches_large_galleries_where_it_is_installed(monkeypatch: pytest.MonkeyPatch):
    """The search returns the hits of that library."""
    generator = np.random.default_rng(0)
    query, gallery = unit(generator, 3), unit(generator, 50)
    asked = []

    def knn(query: np.ndarray, gallery: np.ndarray, k: int, metric: str):
        asked.append((len(gallery), k, metric))
        order = np.argsort(-(query @ gallery.T), axis=1)[:, :k]
        return np.take_along_axis(query @ gallery.T, order, axis=1), order

    expected = find_nearest(query, gallery, 4)
    faiss = SimpleNamespace(knn=knn, METRIC_INNER_PRODUCT="ip", __spec__=object())
    monkeypatch.setitem(sys.modules, "faiss", faiss)
    find_nearest(query, gallery, 4)
    assert asked == []
    monkeypatch.setattr(nearest, "FAISS_IMAGES", 50)
    np.testing.assert_array_equal(find_nearest(query, gallery, 4).images, expected.images)
    assert asked == [(50, 4, "ip")]
