"""Self- and cross-tests: query by sub-model q, gallery indexed by sub-model g (DESIGN.md 3)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sfsc.retrieval.metrics import (
    Definition,
    average_precision,
    cumulative_match,
    inverse_negative_penalty,
)
from sfsc.retrieval.products import Float32s, Float64s
from sfsc.retrieval.ranking import Labels, Ragged, Relevance, find_relevant, positive_ranks


class Submodels(Protocol):
    """The embeddings of every sub-model, an array each, which may be read when it is asked for."""

    def __len__(self) -> int:
        """Return the number of sub-models M."""
        ...

    def __getitem__(self, switch: int, /) -> Float32s:
        """Return the unit vectors of one sub-model, (rows, D)."""
        ...


Search = Callable[[Float32s, Relevance], Ragged]
"""From queries (Q, D), as one sub-model embeds them, to the ranks of their positives."""


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
    """What the matrices are the means of, by name: each valid query in each cell, (M, M, Q)."""
    query_identity: NDArray[np.int64]
    """Identity of each valid query, (Q,): queries of one identity are not independent."""
    n_query: int
    n_gallery: int
    n_skipped_queries: int
    """Queries without a positive: in no mean."""

    def mean_average_precision(self, definition: Definition) -> Float64s:
        """Return the (M, M) matrix of one definition."""
        return self.map_step if definition == "step" else self.map_trapezoidal

    def average_map(self, definition: Definition = "step") -> float:
        """Return the mean over the whole matrix, diagonal included."""
        return float(self.mean_average_precision(definition).mean())


def index_by_cosine(gallery: Float32s) -> Search:
    """Return the search by cosine in a gallery (G, D)."""

    def search(query: Float32s, relevance: Relevance) -> Ragged:
        return positive_ranks(query, gallery, relevance)

    return search


def evaluate_matrix(
    query: Submodels,
    gallery: Submodels,
    query_labels: Labels,
    gallery_labels: Labels,
    *,
    ranks: Sequence[int] = (1, 5, 10),
    index: Callable[[Float32s], Search] = index_by_cosine,
) -> CrossTest:
    """Test every pair of sub-models.

    The same rows may be query and gallery: an image is removed from its own gallery, as it shares
    identity and camera with itself. Of query and gallery, one sub-model each is read at a time.

    Args:
        query: Unit vectors of every sub-model, (M, Q, D).
        gallery: Unit vectors of every sub-model, (M, G, D).
        query_labels: Of the Q queries.
        gallery_labels: Of the G gallery images.
        ranks: Ranks of the cumulative match characteristic.
        index: What searches a gallery, made once for each sub-model.

    Raises:
        ValueError: If the shapes do not fit, a value is not finite or no query has a positive.
    """
    relevance = find_relevant(query_labels, gallery_labels)
    n_query, n_gallery = len(query_labels.identity), len(gallery_labels.identity)
    is_valid = relevance.positives.counts > 0
    n_valid = int(np.count_nonzero(is_valid))
    if n_valid == 0:
        raise ValueError(
            "At least one query must have an image of its identity from another camera in the "
            f"gallery. Found none among {n_query} queries."
        )
    read_query = partial(_read, "query", query, query_labels)
    read_gallery = partial(_read, "gallery", gallery, gallery_labels)

    def test_column(switch: int) -> list[Float64s]:
        search = index(read_gallery(switch))
        return [_measure(search(read_query(q), relevance), ranks) for q in range(len(query))]

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
    """Return what one cell measures of each query: both average precisions, INP, CMC by rank."""
    values = [
        average_precision(positives, "step"),
        average_precision(positives, "trapezoidal"),
        inverse_negative_penalty(positives),
        *(cumulative_match(positives, rank) for rank in ranks),
    ]
    return np.stack(values)  # (metrics, Q)


def _read(name: str, embeddings: Submodels, labels: Labels, switch: int) -> Float32s:
    """Return the unit vectors of one sub-model, checked."""
    found = embeddings[switch]
    expected = (len(labels.identity), len(labels.camera))
    if found.ndim != 2 or (len(found),) * 2 != expected:
        raise ValueError(
            f"`{name}` must have the shape (sub-models, images, D) and a label for each image. "
            f"Found shape {(len(embeddings), *found.shape)}, {expected[0]} identities and "
            f"{expected[1]} cameras."
        )
    if found.dtype != np.float32 or not np.isfinite(found).all():
        raise ValueError(
            f"`{name}` must hold finite float32 values. Found {found.dtype}"
            f"{'' if np.isfinite(found).all() else ' with values that are not finite'}."
        )
    return found
