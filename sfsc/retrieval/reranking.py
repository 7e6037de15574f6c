"""K-reciprocal re-ranking (Zhong et al., CVPR 2017, arXiv 1701.08398): an option, off by default.

The images p, g are the Q queries and G gallery images together. In a cross-test the distances
between queries are those of the query sub-model, between gallery images those of the gallery
sub-model, and between a query and a gallery image those of the cross-test itself. Labels play no
part: images that the protocol removes from the ranking are neighbours like all others.

    d(p, g)     = 1 - cosine: the paper's Mahalanobis distance with M = I / 2, of unit vectors
    N(p, k)     = p and the k images nearest to it
    R(p, k)     = {g in N(p, k): p in N(g, k)}                                      (2)
    R*(p, k)    = R(p, k) and each R(g, k/2), g in R(p, k), of which at least two thirds
                  are in R(p, k)                                                    (3)
    V_p[g]      = exp(-d(p, g)) if g in R*(p, k1) else 0                            (7)
    V_p        <- mean of V_g over the k2 images nearest to p, p the first of them  (11)
    d_J(p, g)   = 1 - sum min(V_p, V_g) / sum max(V_p, V_g)                         (10)
    d*(p, g)    = (1 - original_weight) d_J(p, g) + original_weight d(p, g)         (12)

Memory: encodings V are sparse, scores exist for a block of rows at a time; nothing is (N, N).
Neighbours are those of float64 scores, as in `sfsc.retrieval.ranking`: no result depends on the
size of a block.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from scipy import sparse

from sfsc.retrieval.products import Float32s, Float64s, Integers, exact_pairs
from sfsc.retrieval.ranking import (
    BLOCK_QUERIES,
    BLOCK_SCORES,
    TOLERANCE,
    InnerProducts,
    Ragged,
    Relevance,
    rank_positives,
)

_EXPANDED_ROWS = 4096

Candidates = tuple[Integers, Integers]
"""Rows, ascending, and columns of scores, among which are the k highest of each row."""


class Nearest(NamedTuple):
    """The nearest other images of some images, the nearest first, equally near ones by index."""

    images: Integers
    """(rows, k)."""
    scores: Float64s
    """Their cosines, (rows, k)."""


class Cosines(Protocol):
    """The cosines of any rows with some columns, as far as the highest of a row are concerned."""

    def candidates(self, rows: Float32s, k: int, own_column: int | None) -> Candidates:
        """Return where the k highest scores of rows (B, D) may be.

        Args:
            rows: Unit vectors.
            k: At most the number of columns.
            own_column: Of the first row, the next of the next: it does not count. None: all do.
        """
        ...


class RerankedGallery:
    """The search by d* in a gallery; what concerns the gallery alone is found once.

    Args:
        gallery: Unit vectors, (G, D).
        k1: Neighbours that may be reciprocal, >= 1.
        k2: Images over which an encoding is averaged, itself included, from 1 to `k1`.
        original_weight: The paper's lambda, in [0, 1]; 1 is the ranking without re-ranking.
        block_rows: Rows scored at once.
        cosines: What finds neighbours among columns (C, D).
    """

    def __init__(
        self,
        gallery: Float32s,
        *,
        k1: int,
        k2: int,
        original_weight: float,
        block_rows: int = BLOCK_QUERIES,
        cosines: Callable[[Float32s], Cosines] | None = None,
    ) -> None:
        self.gallery, self.k1, self.k2 = gallery, k1, k2
        self.original_weight, self.block_rows = original_weight, block_rows
        self._find = partial(
            find_nearest, k=k1, block_rows=block_rows, cosines=cosines or CosinesByBlas
        )
        self.own = self._find(gallery, gallery, is_same=True)

    def __call__(self, query: Float32s, relevance: Relevance) -> Ragged:
        """Return the ranks of the positives of queries (Q, D)."""
        return rank_positives(self.scores(query), relevance, block_queries=self.block_rows)

    def scores(self, query: Float32s) -> "RerankedScores":
        """Return the scores of queries (Q, D)."""
        nearest = self._neighbours(query)
        members = expand(reciprocal(nearest, self.k1), reciprocal(nearest, self.k1 // 2))
        encodings = encode(members, np.concatenate([query, self.gallery]))
        nearer = _as_matrix(nearest[:, : self.k2 - 1])
        encodings = nearer @ encodings / (1 + min(self.k2 - 1, nearest.shape[1]))
        return RerankedScores(InnerProducts(query, self.gallery), encodings, self.original_weight)

    def _neighbours(self, query: Float32s) -> Integers:
        """Return the nearest other images of all queries, then of all gallery images, (N, k1)."""
        n_query = len(query)
        of_queries = _merge(
            self._find(query, query, is_same=True),
            _shift(self._find(query, self.gallery), n_query),
        )
        of_gallery = _merge(self._find(self.gallery, query), _shift(self.own, n_query))
        return np.concatenate([of_queries[:, : self.k1], of_gallery[:, : self.k1]])


class RerankedScores:
    """Scores 1 - d* of queries and gallery images.

    Args:
        cosines: Of Q queries and G gallery images.
        encodings: V of the queries, then of the gallery images, (Q + G, Q + G).
        original_weight: The paper's lambda.
    """

    def __init__(
        self, cosines: InnerProducts, encodings: sparse.csr_array, original_weight: float
    ) -> None:
        self.cosines, self.original_weight = cosines, original_weight
        self.n_gallery, n_query = cosines.n_gallery, len(cosines.query)
        sums = encodings.sum(axis=1)
        self.query_sums, self.gallery_sums = sums[:n_query], sums[n_query:]
        self.query = encodings[:n_query]
        self.gallery = encodings[n_query:].tocsc()

    def write_block(self, start: int, stop: int, out: Float32s) -> None:
        """See `sfsc.retrieval.ranking.Scores`."""
        self.cosines.write_block(start, stop, out)
        out *= np.float32(self.original_weight)
        for query in range(start, stop):
            out[query - start] += (1 - self.original_weight) * self._similarity(query)

    def exact(self, query: int, images: Integers) -> Float64s:
        """See `sfsc.retrieval.ranking.Scores`."""
        cosines = self.original_weight * self.cosines.exact(query, images)
        return cosines + (1 - self.original_weight) * self._similarity(query)[images]

    def _similarity(self, query: int) -> Float64s:
        """Return 1 - d_J of a query and all gallery images, (G,).

        Minima are needed only where both encodings are positive: in the columns of the query's.
        """
        mine = slice(*self.query.indptr[query : query + 2])
        columns, weights = self.query.indices[mine], self.query.data[mine]
        first, counts = self.gallery.indptr[columns], np.diff(self.gallery.indptr)[columns]
        places = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        minima = np.minimum(self.gallery.data[places], np.repeat(weights, counts))
        shared = np.bincount(self.gallery.indices[places], minima, minlength=self.n_gallery)
        similarity: Float64s = shared / (self.query_sums[query] + self.gallery_sums - shared)
        return similarity


class CosinesByBlas:
    """Float32 cosines; candidates are within their error.

    Args:
        columns: Unit vectors, (C, D).
    """

    def __init__(self, columns: Float32s) -> None:
        self._columns = columns.T

    def candidates(self, rows: Float32s, k: int, own_column: int | None) -> Candidates:
        """See `Cosines`."""
        scores = rows @ self._columns
        if own_column is not None:
            np.fill_diagonal(scores[:, own_column:], -np.inf)
        least = np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k, None]
        owners, images = np.nonzero(scores >= least - TOLERANCE)
        return owners, images


def find_nearest(
    rows: Float32s,
    columns: Float32s,
    k: int,
    *,
    is_same: bool = False,
    block_rows: int = BLOCK_QUERIES,
    cosines: Callable[[Float32s], Cosines] = CosinesByBlas,
) -> Nearest:
    """Return the images of `columns` that are nearest to each of `rows`.

    Args:
        rows: Unit vectors, (R, D).
        columns: Unit vectors, (C, D).
        k: How many; all where there are fewer.
        is_same: Whether row i is column i, which then is no neighbour of itself.
        block_rows: Rows scored at once.
        cosines: What finds candidates among the columns; the neighbours do not depend on it.
    """
    k = min(k, len(columns) - is_same)
    nearest = Nearest(np.empty((len(rows), k), dtype=np.int64), np.empty((len(rows), k)))
    if k == 0:
        return nearest
    block_rows = max(1, min(block_rows, BLOCK_SCORES // len(columns)))
    source = cosines(columns)
    for start in range(0, len(rows), block_rows):
        block = rows[start : start + block_rows]
        owners, images = source.candidates(block, k, start if is_same else None)
        exact = exact_pairs(block, owners, columns, images)
        order = np.lexsort((images, -exact, owners))
        best = order[np.searchsorted(owners, np.arange(len(block)))[:, None] + np.arange(k)]
        span = slice(start, start + len(block))
        nearest.images[span], nearest.scores[span] = images[best], exact[best]
    return nearest


def _shift(nearest: Nearest, by: int) -> Nearest:
    return Nearest(nearest.images + by, nearest.scores)


def _merge(*parts: Nearest) -> Integers:
    """Return the neighbours of the same images among different ones, the nearest first."""
    images, scores = (np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True))
    order = np.lexsort((images, -scores), axis=1)
    return np.take_along_axis(images, order, axis=1)


def _as_matrix(nearest: Integers) -> sparse.csr_array:
    """Return the matrix (N, N) that is 1 where the column is the row or among its neighbours."""
    n, k = nearest.shape
    members = np.sort(np.concatenate([np.arange(n)[:, None], nearest], axis=1)).ravel()
    starts = np.arange(0, len(members) + 1, k + 1)
    return sparse.csr_array((np.ones(len(members), dtype=np.int32), members, starts), (n, n))


def reciprocal(nearest: Integers, k: int) -> sparse.csr_array:
    """Return R(p, k) as rows of zeros and ones, (N, N), equation (2).

    Args:
        nearest: The nearest other images of each image, at least k where there are as many.
        k: Neighbours that count.
    """
    members = _as_matrix(nearest[:, :k])
    return members.multiply(members.T.tocsr()).tocsr()


def expand(members: sparse.csr_array, halves: sparse.csr_array) -> sparse.csr_array:
    """Return R*(p, k) as rows that are positive at its members, (N, N), equation (3).

    Args:
        members: R(p, k).
        halves: R(p, k/2).
    """
    sizes = halves.sum(axis=1)
    turned = halves.T.tocsr()
    parts = []
    for start in range(0, members.shape[0], _EXPANDED_ROWS):
        block = members[start : start + _EXPANDED_ROWS]
        shared = (block @ turned).multiply(block).tocoo()  # |R(p, k) and R(g, k/2)|
        is_added = 3 * shared.data >= 2 * sizes[shared.col]
        places = (shared.row[is_added], shared.col[is_added])
        ones = np.ones(len(places[0]), dtype=np.int32)
        added = sparse.csr_array((ones, places), shape=block.shape)
        parts.append(block + added @ halves)
    return sparse.vstack(parts, format="csr")


def encode(members: sparse.csr_array, vectors: Float32s) -> sparse.csr_array:
    """Return V, (N, N), equation (7).

    Args:
        members: Positive at the members of R*(p, k1).
        vectors: Unit vectors of all images, (N, D).
    """
    members.sort_indices()
    owners = np.repeat(np.arange(len(vectors)), np.diff(members.indptr))
    cosines = exact_pairs(vectors, owners, vectors, members.indices)
    return sparse.csr_array((np.exp(cosines - 1), members.indices, members.indptr), members.shape)
