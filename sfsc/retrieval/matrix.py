"""Self- and cross-tests: query by sub-model q, gallery indexed by sub-model g (DESIGN.md 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sfsc.retrieval.arrays import Float32s, Float64s
from sfsc.retrieval.metrics import (
    Definition,
    average_precision,
    cumulative_match,
    inverse_negative_penalty,
)
from sfsc.retrieval.ranking import Index, index_by_cosine, rank_positives
from sfsc.retrieval.relevance import Labels, Ragged, find_relevant

CPU = torch.device("cpu")


@dataclass(frozen=True)
class CrossTest:
    """The M x M matrices of one network; rows: query sub-model, columns: gallery sub-model."""

    map_step: Float64s
    """Mean average precision, step definition; (M, M), in [0, 1] like all others."""
    map_trapezoidal: Float64s
    """Mean average precision, trapezoidal definition; (M, M)."""
    minp: Float64s
    """Mean inverse negative penalty; (M, M)."""
    cmc: dict[int, Float64s]
    """Cumulative match characteristic by rank; (M, M) each."""
    queries: dict[str, Float32s]
    """The values of each valid query in each cell, by metric, (M, M, Q); the matrices are their
    means."""
    query_identity: NDArray[np.int64]
    """Identity of each valid query, (Q,): queries of one identity are not independent."""
    n_query: int
    n_gallery: int
    n_skipped_queries: int
    """Queries without a positive; no mean includes them."""

    def mean_average_precision(self, definition: Definition) -> Float64s:
        """Return the (M, M) matrix of one definition."""
        return self.map_step if definition == "step" else self.map_trapezoidal

    def average_map(self, definition: Definition = "step") -> float:
        """Return the mean over the whole matrix, diagonal included."""
        return float(self.mean_average_precision(definition).mean())


def evaluate_matrix(
    query: Float32s,
    gallery: Float32s,
    query_labels: Labels,
    gallery_labels: Labels,
    *,
    ranks: Sequence[int] = (1, 5, 10),
    index: Index = index_by_cosine,
    device: torch.device = CPU,
) -> CrossTest:
    """Test every pair of sub-models.

    The same images may be query and gallery: an image is removed from its own gallery, as it shares
    identity and camera with itself.

    Args:
        query: Unit vectors of every sub-model, (M, Q, D).
        gallery: Unit vectors of every sub-model, (M, G, D).
        query_labels: Labels of the Q queries.
        gallery_labels: Labels of the G gallery images.
        ranks: Ranks of the cumulative match characteristic.
        index: What makes a gallery searchable; called once for each sub-model.
        device: Where scores are computed. The result does not depend on it.

    Raises:
        ValueError: If the shapes do not fit, a value is not finite or no query has a positive.
    """
    relevance = find_relevant(query_labels, gallery_labels)
    n_query, n_gallery = len(query_labels.identity), relevance.n_gallery
    is_valid = relevance.positives.counts > 0
    n_valid = int(np.count_nonzero(is_valid))
    if n_valid == 0:
        raise ValueError(
            "At least one query must have an image of its identity from another camera in the "
            f"gallery. Found none among {n_query} queries."
        )
    _check("query", query, query_labels)
    _check("gallery", gallery, gallery_labels)

    def test_column(switch: int) -> list[Float64s]:
        search = index(torch.from_numpy(gallery[switch]).to(device))
        scores = (search(torch.from_numpy(of_one).to(device)) for of_one in query)
        return [_measure(rank_positives(of_cell, relevance), ranks) for of_cell in scores]

    columns = np.array([test_column(switch) for switch in range(len(gallery))])
    values = np.ascontiguousarray(np.transpose(columns, (2, 1, 0, 3)))  # (metrics, M, M, Q)
    means = values.mean(axis=-1)
    names = ("map_step", "map_trapezoidal", "minp", *(f"cmc_{rank}" for rank in ranks))
    return CrossTest(
        map_step=means[0],
        map_trapezoidal=means[1],
        minp=means[2],
        cmc=dict(zip(ranks, means[3:], strict=True)),
        queries=dict(zip(names, values.astype(np.float32), strict=True)),
        query_identity=query_labels.identity[is_valid].astype(np.int64),
        n_query=n_query,
        n_gallery=n_gallery,
        n_skipped_queries=n_query - n_valid,
    )


def _measure(positives: Ragged, ranks: Sequence[int]) -> Float64s:
    """Return the metrics of each query: both average precisions, INP, CMC by rank."""
    values = [
        average_precision(positives, "step"),
        average_precision(positives, "trapezoidal"),
        inverse_negative_penalty(positives),
        *(cumulative_match(positives, rank) for rank in ranks),
    ]
    return np.stack(values)  # (metrics, Q)


def _check(name: str, embeddings: Float32s, labels: Labels) -> None:
    """Check that there is a finite float32 vector of each sub-model for each label."""
    expected = (len(labels.identity), len(labels.camera))
    if embeddings.ndim != 3 or (embeddings.shape[1],) * 2 != expected:
        raise ValueError(
            f"`{name}` must have the shape (sub-models, images, D) and a label for each image. "
            f"Found shape {embeddings.shape}, {expected[0]} identities and {expected[1]} cameras."
        )
    is_finite = all(np.isfinite(of_one).all() for of_one in embeddings)
    if embeddings.dtype != np.float32 or not is_finite:
        raise ValueError(
            f"`{name}` must hold finite float32 values. Found {embeddings.dtype}"
            f"{'' if is_finite else ' with values that are not finite'}."
        )
