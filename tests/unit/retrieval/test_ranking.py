"""Ranks by counting against ranks by sorting, image by image."""

import numpy as np
import pytest
import torch

from sfsc.retrieval.arrays import Float32s
from sfsc.retrieval.ranking import Block, cosine_scores, positive_ranks, rank_positives
from sfsc.retrieval.relevance import Labels, Ragged, find_relevant


def slow_ranks(
    query: Float32s, gallery: Float32s, query_labels: Labels, gallery_labels: Labels
) -> list[list[int]]:
    """Sort the whole gallery for each query in plain Python, the protocol taken word for word."""
    ranks = []
    for vector, identity, camera in zip(query, *query_labels, strict=True):
        scores = [float(np.dot(vector.astype(float), other.astype(float))) for other in gallery]
        kept = [
            index
            for index in sorted(range(len(gallery)), key=lambda i: -scores[i])  # stable
            if gallery_labels.identity[index] != -1
            and not (
                gallery_labels.identity[index] == identity
                and gallery_labels.camera[index] == camera
            )
        ]
        hits = [gallery_labels.identity[index] == identity != -1 for index in kept]
        ranks.append([rank for rank, is_hit in enumerate(hits, start=1) if is_hit])
    return ranks


def draw_labels(generator: np.random.Generator, size: int) -> Labels:
    """Few identities and cameras, junk and distractors (identity 9 is never queried) among them."""
    identity = generator.choice([-1, 0, 1, 2, 3, 9], size)
    return Labels(identity, generator.integers(0, 3, size))


def draw_vectors(generator: np.random.Generator, size: int, *, levels: int) -> np.ndarray:
    """Vectors of eighths, shorter than 1: all scores are exact and many are equal."""
    return generator.integers(-levels, levels + 1, (size, 3)).astype(np.float32) / 8


def split(ranks: Ragged) -> list[list[int]]:
    """Return the ranks as one list per query."""
    return [ranks[query].tolist() for query in range(len(ranks.counts))]


@pytest.mark.parametrize("seed", range(40))
def test_ranks_equal_those_of_a_sorted_gallery(seed: int):
    """Junk, distractors, ties and queries without positives are ranked as the protocol says."""
    generator = np.random.default_rng(seed)
    n_query, n_gallery = generator.integers(1, 30, 2)
    query_labels = draw_labels(generator, n_query)
    query_labels.identity[query_labels.identity == 9] = 0
    gallery_labels = draw_labels(generator, n_gallery)
    query, gallery = (draw_vectors(generator, n, levels=seed % 3 + 1) for n in (n_query, n_gallery))
    relevance = find_relevant(query_labels, gallery_labels)
    found = positive_ranks(query, gallery, relevance, block_queries=int(generator.integers(1, 9)))
    assert split(found) == slow_ranks(query, gallery, query_labels, gallery_labels)


def test_equal_scores_keep_the_order_of_the_gallery():
    """Five copies of one image: the positive at index 3 has three images ahead."""
    gallery = np.ones((5, 4), dtype=np.float32) / 2
    labels = Labels(np.array([0, 0, 0, 1, 0]), np.zeros(5, dtype=np.int64))
    relevance = find_relevant(Labels(np.array([1]), np.array([1])), labels)
    assert positive_ranks(gallery[:1], gallery, relevance).values.tolist() == [4]


def copies_far_apart() -> tuple[np.ndarray, np.ndarray, Labels, Labels]:
    """One image three times in a large gallery: at the start, inside and at the odd end."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((1_500, 96)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query, gallery = vectors[:497], vectors[497:].copy()
    gallery[[500, 1_002]] = gallery[3]
    identity = np.zeros(len(gallery), dtype=np.int64)
    identity[500] = 1
    query_labels = Labels(np.ones(497, dtype=np.int64), np.ones(497, dtype=np.int64))
    return query, gallery, query_labels, Labels(identity, np.zeros_like(identity))


@pytest.mark.parametrize("block_queries", [1, 7, 64, 497, 1_000])
def test_ranks_do_not_depend_on_the_block_size(block_queries: int):
    """The last bits of a matrix product depend on its shape, the ranks do not: copies are ties."""
    query, gallery, query_labels, gallery_labels = copies_far_apart()
    relevance = find_relevant(query_labels, gallery_labels)
    found = positive_ranks(query, gallery, relevance, block_queries=block_queries)
    exact = (
        query.astype(np.float64) @ gallery[:1_002].astype(np.float64).T
    )  # without the last copy, which comes after the positive
    own = exact[:, 500]
    others = np.delete(exact, [3, 500], axis=1)
    assert (found.values == 2 + (others > own[:, None]).sum(axis=1)).all()


def test_many_positives_are_counted_in_parts():
    """A query may have more positives than are compared at once."""
    generator = np.random.default_rng(3)
    gallery = draw_vectors(generator, 500, levels=2)
    labels = Labels(generator.integers(0, 2, 500), np.zeros(500, dtype=np.int64))
    query_labels = Labels(np.array([0, 1]), np.array([1, 1]))
    found = positive_ranks(gallery[:2], gallery, find_relevant(query_labels, labels))
    assert split(found) == slow_ranks(gallery[:2], gallery, query_labels, labels)


def test_collapsed_embeddings_rank_in_the_order_of_the_gallery():
    """A dead network gives every image the same embedding: all scores are ties."""
    gallery = np.full((300, 8), 8**-0.5, dtype=np.float32)
    identity = np.arange(300) % 3
    relevance = find_relevant(
        Labels(np.array([2]), np.array([1])), Labels(identity, np.zeros_like(identity))
    )
    found = positive_ranks(gallery[:1], gallery, relevance)
    assert found.values.tolist() == list(range(3, 301, 3))


def test_scores_within_the_tolerance_are_compared_exactly():
    """All cosines are 1 in float32, and none are equal."""
    generator = np.random.default_rng(1)
    vectors = 1 + np.float32(1e-3) * generator.standard_normal((120, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query, gallery = vectors[:20], vectors[20:]
    labels = draw_labels(generator, 20), draw_labels(generator, 100)
    found = positive_ranks(query, gallery, find_relevant(*labels))
    assert split(found) == slow_ranks(query, gallery, *labels)


def test_ranks_do_not_depend_on_the_precision_of_fast_scores():
    """A GPU computes them in float64."""
    query, gallery, query_labels, gallery_labels = copies_far_apart()
    relevance = find_relevant(query_labels, gallery_labels)
    vectors = torch.from_numpy(query), torch.from_numpy(gallery)
    single = cosine_scores(*vectors)

    def double(start: int, stop: int) -> Block:
        fast = vectors[0][start:stop].double() @ vectors[1].double().T
        return Block(fast, single(start, stop).exact)

    found = [rank_positives(scores, relevance) for scores in (single, double)]
    assert np.array_equal(found[0].values, found[1].values)


def test_no_positives_are_no_ranks():
    """All queries may be skipped."""
    vectors = np.eye(4, dtype=np.float32)
    labels = (Labels(np.full(4, of), np.zeros(4, dtype=np.int64)) for of in (5, 6))
    assert len(positive_ranks(vectors, vectors, find_relevant(*labels)).values) == 0
