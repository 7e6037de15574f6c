"""Ranks by counting against ranks by sorting, image by image."""

import numpy as np
import pytest

from sfsc.retrieval.arrays import Float32s
from sfsc.retrieval.ranking import positive_ranks
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


def test_labels_decide_what_an_image_is_to_a_query():
    """Same identity is a positive in another camera, removed in the same one; -1 is junk."""
    gallery = Labels(np.array([5, -1, 5, 7, 5]), np.array([0, 0, 1, 1, 2]))
    relevance = find_relevant(Labels(np.array([5, 6, -1]), np.array([1, 1, 0])), gallery)
    assert [relevance.positives[query].tolist() for query in range(3)] == [[0, 4], [], []]
    assert [relevance.removed[query].tolist() for query in range(3)] == [[2], [], []]
    assert relevance.junk.tolist() == [1]


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
    )  # the copy behind is not ahead
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
