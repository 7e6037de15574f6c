"""Matrices whose entries are known by hand."""

import re

import numpy as np
import pytest

from sfsc.retrieval.arrays import Float32s
from sfsc.retrieval.matrix import evaluate_matrix
from sfsc.retrieval.relevance import Labels

N_IDENTITIES = 5
QUERY = Labels(np.arange(N_IDENTITIES), np.zeros(N_IDENTITIES, dtype=np.int64))
GALLERY = Labels(np.arange(N_IDENTITIES), np.ones(N_IDENTITIES, dtype=np.int64))


def ideal(*swaps: tuple[int, int]) -> np.ndarray:
    """Embed each identity as its own axis, some identities swapped."""
    identity = np.arange(N_IDENTITIES)
    for a, b in swaps:
        identity[[a, b]] = identity[[b, a]]
    return np.eye(N_IDENTITIES, dtype=np.float32)[identity]


def test_an_ideal_encoder_is_perfect():
    """Every metric of every pair is 1."""
    embeddings = np.stack([ideal(), ideal()])
    result = evaluate_matrix(embeddings, embeddings, QUERY, GALLERY)
    for matrix in (result.map_step, result.map_trapezoidal, result.minp, *result.cmc.values()):
        assert matrix.tolist() == [[1, 1], [1, 1]]
    assert (result.n_query, result.n_gallery, result.n_skipped_queries) == (5, 5, 0)


def test_known_swaps_give_an_exact_cmc():
    """Sub-model 0 swaps two identities in queries only: 3 of 5 right with either gallery."""
    query = np.stack([ideal((1, 3)), ideal()])
    gallery = np.stack([ideal(), ideal()])
    result = evaluate_matrix(query, gallery, QUERY, GALLERY, ranks=(1, 2, 4, 5))
    assert result.cmc[1].tolist() == [[0.6, 0.6], [1, 1]]
    # The swapped queries score 0 with their own: after the wrong one, ties in gallery order.
    assert result.cmc[2][0].tolist() == [
        0.6,
        0.6,
    ]  # own at index 1: after 3 and 0; at 3: last but 4
    assert result.cmc[4][0].tolist() == [1, 1]
    assert result.map_step[0] == pytest.approx([(3 + 1 / 3 + 1 / 4) / 5] * 2)


def test_the_values_of_each_query_are_kept():
    """They are in the order of the valid queries: the two swapped ones are wrong."""
    query = np.stack([ideal((1, 3)), ideal()])
    result = evaluate_matrix(query, np.stack([ideal(), ideal()]), QUERY, GALLERY, ranks=(1,))
    assert result.queries["cmc_1"][0, 1].tolist() == [1, 0, 1, 0, 1]
    assert result.queries["cmc_1"][1, 0].tolist() == [1] * 5
    assert result.queries["map_step"].mean(axis=-1) == pytest.approx(result.map_step)
    assert sorted(result.queries) == ["cmc_1", "map_step", "map_trapezoidal", "minp"]


def test_rows_are_queries_and_columns_galleries():
    """A sub-model that is bad as a gallery only spoils its column."""
    query = np.stack([ideal(), ideal()])
    gallery = np.stack([ideal((0, 1), (2, 3)), ideal()])
    result = evaluate_matrix(query, gallery, QUERY, GALLERY)
    assert result.cmc[1].tolist() == [[0.2, 1], [0.2, 1]]
    assert result.average_map("step") == result.map_step.mean()


def test_an_image_is_not_in_its_own_gallery():
    """Validation rows are query and gallery at once: the image itself is removed."""
    labels = Labels(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    embeddings = np.eye(4, dtype=np.float32)[None]
    result = evaluate_matrix(embeddings, embeddings, labels, labels)
    assert result.cmc[1].item() == 0.5  # all scores 0, the gallery's first is right for 0, 1


def test_queries_without_a_positive_are_counted_and_left_out():
    """The mean is over the other queries."""
    gallery = Labels(np.array([0, 1, 2, 9, 9]), GALLERY.camera)
    result = evaluate_matrix(ideal()[None], ideal()[None], QUERY, gallery)
    assert result.n_skipped_queries == 2
    assert result.map_step.item() == 1
    assert result.queries["map_step"].shape == (1, 1, 3)


NO_POSITIVE = (
    "At least one query must have an image of its identity from another camera in the gallery. "
    "Found none among 5 queries."
)
NO_MATRIX = (
    "`query` must have the shape (sub-models, images, D) and a label for each image. "
    "Found shape (5, 5), 5 identities and 5 cameras."
)
NOT_FINITE = (
    "`query` must hold finite float32 values. Found float32 with values that are not finite."
)


@pytest.mark.parametrize(
    ("embeddings", "gallery", "message"),
    [
        (ideal()[None], QUERY, NO_POSITIVE),
        (ideal(), GALLERY, NO_MATRIX),
        (ideal()[None] * np.float32("nan"), GALLERY, NOT_FINITE),
    ],
)
def test_what_cannot_be_evaluated_is_refused(embeddings: Float32s, gallery: Labels, message: str):
    """One sentence each."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        evaluate_matrix(embeddings, ideal()[None], QUERY, gallery)
