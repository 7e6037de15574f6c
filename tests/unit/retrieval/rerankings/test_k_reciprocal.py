"""Re-ranking in blocks of sparse encodings against the paper's equations on sets of images."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sfsc.retrieval.arrays import Float32s
from sfsc.retrieval.matrix import evaluate_matrix
from sfsc.retrieval.ranking import Scores, positive_ranks, rank_positives
from sfsc.retrieval.relevance import Labels, Ragged, Relevance, find_relevant
from sfsc.retrieval.rerankings.k_reciprocal import RerankedGallery, Settings, build

PAPER = {"k1": 20, "k2": 6, "original_weight": 0.3}


def naive_distances(
    query: Float32s, gallery: Float32s, *, k1: int, k2: int, original_weight: float
) -> np.ndarray:
    """Return d* of every query and gallery image, (Q, G), from dense matrices and Python sets."""
    images = np.concatenate([query, gallery]).astype(np.float64)
    n = len(images)
    distances = 1 - images @ images.T
    ranking = [sorted(range(n), key=lambda j, i=i: (j != i, distances[i, j], j)) for i in range(n)]

    def near(i: int, k: int) -> set[int]:
        return set(ranking[i][: k + 1])  # i itself is the first

    def mutual(i: int, k: int) -> set[int]:
        return {j for j in near(i, k) if i in near(j, k)}

    encodings = np.zeros((n, n))
    for i in range(n):
        members = mutual(i, k1)
        for j in mutual(i, k1):
            half = mutual(j, k1 // 2)
            if len(half & mutual(i, k1)) >= 2 / 3 * len(half):
                members |= half
        for j in members:
            encodings[i, j] = np.exp(-distances[i, j])
    averaged = np.stack([encodings[ranking[i][:k2]].mean(axis=0) for i in range(n)])
    jaccard = np.array(
        [
            [1 - np.minimum(p, g).sum() / np.maximum(p, g).sum() for g in averaged[len(query) :]]
            for p in averaged[: len(query)]
        ]
    )
    return (1 - original_weight) * jaccard + original_weight * distances[: len(query), len(query) :]


def draw(seed: int, n_query: int, n_gallery: int) -> tuple[Float32s, Float32s, Relevance]:
    """Return loose clusters of unit vectors, and who is relevant to whom."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((4, 6))

    def scatter(n: int) -> tuple[Float32s, Labels]:
        identity = generator.integers(0, 4, n)
        points = centres[identity] + generator.standard_normal((n, 6))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        return points.astype(np.float32), Labels(identity, generator.integers(0, 3, n))

    (query, of_query), (gallery, of_gallery) = scatter(n_query), scatter(n_gallery)
    return query, gallery, find_relevant(of_query, of_gallery)


def search(query: Float32s, gallery: Float32s, **settings: float) -> Scores:
    """Return the scores 1 - d* of the queries."""
    return RerankedGallery(torch.from_numpy(gallery), **settings)(torch.from_numpy(query))


def ranks_of(query: Float32s, gallery: Float32s, relevance: Relevance, **settings: float) -> Ragged:
    """Return the ranks of the positives by d*."""
    return rank_positives(search(query, gallery, **settings), relevance)


def all_scores(query: Float32s, gallery: Float32s, **settings: float) -> np.ndarray:
    """Return 1 - d* of every query and gallery image."""
    block = search(query, gallery, **settings)(0, len(query))
    shape = len(query), len(gallery)
    return block.exact(*torch.ones(shape).nonzero(as_tuple=True)).reshape(shape).numpy()


@pytest.mark.parametrize(
    "settings",
    [PAPER, PAPER | {"k2": 1}, {"k1": 7, "k2": 3, "original_weight": 0.0},
     {"k1": 1, "k2": 1, "original_weight": 0.5}],
)  # fmt: skip
@pytest.mark.parametrize(("n_query", "n_gallery"), [(15, 60), (1, 9), (30, 12)])
def test_distances_are_those_of_the_paper_s_equations(
    settings: dict[str, float], n_query: int, n_gallery: int
):
    """For any k1, k2 and weight, also where there are fewer images than k1."""
    query, gallery, _ = draw(3, n_query, n_gallery)
    found = 1 - all_scores(query, gallery, **settings)
    assert found == pytest.approx(naive_distances(query, gallery, **settings), abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_ranks_are_those_of_the_distances(seed: int):
    """What is removed is no rank; the ranks differ from those without re-ranking."""
    query, gallery, relevance = draw(seed, 20, 70)
    found = ranks_of(query, gallery, relevance, **PAPER)
    distances = naive_distances(query, gallery, **PAPER)
    distances[relevance.removed.owners, relevance.removed.values] = np.inf
    for row, of_row in enumerate(distances):
        order = np.argsort(of_row, kind="stable").tolist()
        ranks = sorted(order.index(image) + 1 for image in relevance.positives[row].tolist())
        assert found[row].tolist() == ranks
    assert not np.array_equal(found.values, positive_ranks(query, gallery, relevance).values)


def test_a_weight_of_one_is_the_original_ranking():
    """The Jaccard distance then has none."""
    query, gallery, relevance = draw(0, 20, 70)
    found = ranks_of(query, gallery, relevance, **PAPER | {"original_weight": 1.0})
    assert np.array_equal(found.values, positive_ranks(query, gallery, relevance).values)


def test_nothing_depends_on_the_size_of_a_block():
    """Not a bit of a score, copies of images, whose float32 products may differ, among them."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((700, 96)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query, gallery = vectors[:97], vectors[97:].copy()
    gallery[[100, 300, 602]] = gallery[3]
    whole = all_scores(query, gallery, **PAPER)
    for block_rows in (1, 7, 64):
        found = all_scores(query, gallery, **PAPER, block_rows=block_rows)
        assert np.array_equal(found, whole)


def test_a_cross_test_takes_distances_from_where_they_are_measured():
    """Between queries by the query sub-model, within the gallery by its own, else across.

    A rotation of both splits of a sub-model changes no distance within it, all across.
    """
    query, gallery, _ = draw(1, 15, 60)
    rotated = np.ascontiguousarray(gallery[:, ::-1])
    found = all_scores(query, rotated, **PAPER)
    assert found == pytest.approx(1 - naive_distances(query, rotated, **PAPER))
    within, across = (RerankedGallery(torch.from_numpy(g), **PAPER).own for g in (rotated, gallery))
    assert np.array_equal(within.images, across.images)


def test_the_matrix_of_a_re_ranked_test_is_that_of_its_cells():
    """Rows are query sub-models, as without; each gallery is searched by each of them."""
    first, second = draw(5, 20, 70), draw(6, 20, 70)
    labels = [Labels(np.arange(n) % 5, np.arange(n) % 3) for n in (20, 70)]
    relevance = find_relevant(*labels)
    result = evaluate_matrix(
        np.stack([first[0], second[0]]),
        np.stack([first[1], second[1]]),
        *labels,
        index=build(Settings()),
    )
    ranks = ranks_of(first[0], second[1], relevance, **PAPER)
    best = [ranks[row][0] for row in range(20) if relevance.positives.counts[row]]
    assert result.cmc[5][0, 1] == np.mean(np.array(best) <= 5)


def test_the_defaults_are_the_paper_s_and_an_encoding_averages_over_neighbours_alone():
    """`k2` images are among the `k1` nearest."""
    assert Settings().model_dump(exclude={"name"}) == PAPER
    with pytest.raises(
        ValidationError, match=r"`k2` must not be above `k1`\. Found k1 5 and k2 6\."
    ):
        Settings(k1=5)
