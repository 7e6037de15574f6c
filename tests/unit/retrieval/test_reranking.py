"""Re-ranking in blocks of sparse encodings against the paper's equations on sets of images."""

import numpy as np
import pytest

from sfsc.retrieval.cross_test import evaluate_matrix
from sfsc.retrieval.products import Float32s
from sfsc.retrieval.ranking import Labels, Relevance, find_relevant, positive_ranks
from sfsc.retrieval.reranking import RerankedGallery, find_nearest

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


def all_scores(search: RerankedGallery, query: Float32s) -> np.ndarray:
    """Return 1 - d* of every query and gallery image."""
    scores, images = search.scores(query), np.arange(len(search.gallery))
    return np.stack([scores.exact(row, images) for row in range(len(query))])


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
    found = 1 - all_scores(RerankedGallery(gallery, **settings), query)
    assert found == pytest.approx(naive_distances(query, gallery, **settings), abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_ranks_are_those_of_the_distances(seed: int):
    """What is removed is no rank; the ranks differ from those without re-ranking."""
    query, gallery, relevance = draw(seed, 20, 70)
    found = RerankedGallery(gallery, **PAPER)(query, relevance)
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
    found = RerankedGallery(gallery, **PAPER | {"original_weight": 1.0})(query, relevance)
    assert np.array_equal(found.values, positive_ranks(query, gallery, relevance).values)


def test_nothing_depends_on_the_size_of_a_block():
    """Not a bit of a score, copies of images, whose float32 products may differ, among them."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((700, 96)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query, gallery = vectors[:97], vectors[97:].copy()
    gallery[[100, 300, 602]] = gallery[3]
    whole = all_scores(RerankedGallery(gallery, **PAPER), query)
    for block_rows in (1, 7, 64):
        found = all_scores(RerankedGallery(gallery, **PAPER, block_rows=block_rows), query)
        assert np.array_equal(found, whole)


def test_equally_near_images_are_neighbours_in_their_order():
    """An image is no neighbour of itself, its copies are."""
    copies = np.ones((5, 4), dtype=np.float32) / 2
    found = find_nearest(copies, copies, 3, is_same=True)
    assert found.images.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2]]
    assert (found.scores == 1).all()


def test_a_cross_test_takes_distances_from_where_they_are_measured():
    """Between queries by the query sub-model, within the gallery by its own, else across.

    A rotation of both splits of a sub-model changes no distance within it, all across.
    """
    query, gallery, _ = draw(1, 15, 60)
    rotated = np.ascontiguousarray(gallery[:, ::-1])
    found = RerankedGallery(rotated, **PAPER).scores(query)
    assert found.exact(0, np.arange(60)) == pytest.approx(
        1 - naive_distances(query, rotated, **PAPER)[0]
    )
    within, across = RerankedGallery(rotated, **PAPER).own, RerankedGallery(gallery, **PAPER).own
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
        index=lambda gallery: RerankedGallery(gallery, **PAPER),
    )
    ranks = RerankedGallery(second[1], **PAPER)(first[0], relevance)
    best = [ranks[row][0] for row in range(20) if relevance.positives.counts[row]]
    assert result.cmc[5][0, 1] == np.mean(np.array(best) <= 5)
