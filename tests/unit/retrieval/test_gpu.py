"""The searches of a GPU, computed by torch on the CPU, against those of the CPU."""

import numpy as np
import pytest
import torch

import sfsc.retrieval.gpu
from sfsc.retrieval.gpu import GalleryOnGPU
from sfsc.retrieval.products import Float32s
from sfsc.retrieval.ranking import Labels, Relevance, find_relevant, positive_ranks
from sfsc.retrieval.reranking import find_nearest

CPU = torch.device("cpu")


def draw(
    seed: int, n_query: int = 40, n_gallery: int = 300
) -> tuple[Float32s, Float32s, Relevance]:
    """Return unit vectors, copies among them, junk, distractors and queries without positives."""
    generator = np.random.default_rng(seed)
    vectors = generator.standard_normal((n_query + n_gallery, 24)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query, gallery = vectors[:n_query], vectors[n_query:].copy()
    gallery[generator.integers(0, n_gallery, 90)] = gallery[generator.integers(0, 5, 90)]

    def labels(n: int, identities: list[int]) -> Labels:
        return Labels(generator.choice(identities, n), generator.integers(0, 3, n))

    relevance = find_relevant(
        labels(n_query, [0, 1, 2, 3, 8]), labels(n_gallery, [-1, 0, 1, 2, 3, 9])
    )
    return query, gallery, relevance


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("block_scores", [1, 3_000, 2**25])
def test_ranks_are_those_of_the_cpu(seed: int, block_scores: int, monkeypatch: pytest.MonkeyPatch):
    """Whatever is computed at once."""
    monkeypatch.setattr(sfsc.retrieval.gpu, "BLOCK_SCORES", block_scores)
    query, gallery, relevance = draw(seed)
    found = GalleryOnGPU(gallery, CPU)(query, relevance)
    expected = positive_ranks(query, gallery, relevance)
    assert np.array_equal(found.values, expected.values)
    assert np.array_equal(found.offsets, expected.offsets)


def test_no_positives_are_no_ranks():
    """Of a block, too."""
    query, gallery, _ = draw(0)
    labels = Labels(np.full(40, 5), np.zeros(40, np.int64))
    relevance = find_relevant(labels, Labels(np.full(300, 6), np.zeros(300, np.int64)))
    assert len(GalleryOnGPU(gallery, CPU)(query, relevance).values) == 0


@pytest.mark.parametrize("k", [1, 20, 299])
def test_neighbours_are_those_of_the_cpu(k: int):
    """Equally near copies by index; an image is none of its own."""
    query, gallery, _ = draw(1)

    def on_gpu(columns: Float32s) -> GalleryOnGPU:
        return GalleryOnGPU(columns, CPU)

    for rows, is_same in ((gallery, True), (query, False)):
        found = find_nearest(rows, gallery, k, is_same=is_same, block_rows=64, cosines=on_gpu)
        expected = find_nearest(rows, gallery, k, is_same=is_same)
        assert np.array_equal(found.images, expected.images)
        assert np.array_equal(found.scores, expected.scores)
