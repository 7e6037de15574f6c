"""K-reciprocal re-ranking (Zhong et al., CVPR 2017, arXiv 1701.08398).

The images p, g are the Q queries and G gallery images together. In a cross-test, distances between
queries are those of the query sub-model, distances between gallery images those of the gallery
sub-model, and distances between a query and a gallery image those of the cross-test itself. Labels
are not used: images that the protocol removes from the ranking are neighbours like all others.

    d(p, g)     = 1 - cosine: the paper's Mahalanobis distance with M = I / 2, of unit vectors
    N(p, k)     = p and the k images nearest to it
    R(p, k)     = {g in N(p, k): p in N(g, k)}                                      (2)
    R*(p, k)    = R(p, k) and each R(g, k/2), g in R(p, k), of which at least two thirds
                  are in R(p, k)                                                    (3)
    V_p[g]      = exp(-d(p, g)) if g in R*(p, k1) else 0                            (7)
    V_p        <- mean of V_g over the k2 images nearest to p, p the first of them  (11)
    d_J(p, g)   = 1 - sum min(V_p, V_g) / sum max(V_p, V_g)                         (10)
    d*(p, g)    = (1 - original_weight) d_J(p, g) + original_weight d(p, g)         (12)

Memory: the encodings V are sparse, and scores exist for one block of queries at a time; nothing is
(N, N). Neighbours and scores are exact (`sfsc.retrieval.inner_products`): no result depends on the
size of a block or on the device.
"""

from functools import partial
from typing import Self

import numpy as np
import torch
from pydantic import Field, model_validator
from scipy import sparse
from torch import Tensor

from sfsc.retrieval.arrays import Float64s, Integers
from sfsc.retrieval.inner_products import exact_products
from sfsc.retrieval.nearest import Nearest, find_nearest
from sfsc.retrieval.ranking import BLOCK_QUERIES, Block, Index, Scores, cosine_scores
from sfsc.settings.section import Part

_EXPANDED_ROWS = 4096
"""Images whose R* is found at once."""


class Settings(Part):
    """K-reciprocal re-ranking (Zhong et al., CVPR 2017)."""

    k1: int = Field(default=20, ge=1)
    """Nearest neighbours that may be reciprocal; 20 in the paper."""
    k2: int = Field(default=6, ge=1)
    """Images over which an encoding is averaged, itself included; 6 in the paper, 1 = off."""
    original_weight: float = Field(default=0.3, ge=0, le=1)
    """Weight of the original distance; the Jaccard distance has the rest. The paper's lambda, 0.3
    there."""

    @model_validator(mode="after")
    def _check_neighbours(self) -> Self:
        if self.k2 > self.k1:
            msg = f"`k2` must not be above `k1`. Found k1 {self.k1} and k2 {self.k2}."
            raise ValueError(msg)
        return self


def build(settings: Settings) -> Index:
    """Return what makes a gallery searchable by d*."""
    return partial(
        RerankedGallery,
        k1=settings.k1,
        k2=settings.k2,
        original_weight=settings.original_weight,
    )


class RerankedGallery:
    """The search by d* in a gallery; the gallery's own neighbours are found once.

    Args:
        gallery: Unit vectors, (G, D).
        k1: Nearest neighbours that may be reciprocal, >= 1.
        k2: Images over which an encoding is averaged, itself included, from 1 to `k1`.
        original_weight: The paper's lambda, in [0, 1]; 1 is the ranking without re-ranking.
        block_rows: Rows scored at once.
    """

    def __init__(
        self,
        gallery: Tensor,
        *,
        k1: int,
        k2: int,
        original_weight: float,
        block_rows: int = BLOCK_QUERIES,
    ) -> None:
        self.gallery, self.k1, self.k2, self.original_weight = gallery, k1, k2, original_weight
        self._find = partial(find_nearest, k=k1, block_rows=block_rows)
        self.own = self._find(gallery, gallery, is_same=True)

    def __call__(self, query: Tensor) -> Scores:
        """Return the scores 1 - d* of queries (Q, D)."""
        nearest = self._neighbours(query)
        members = expand(reciprocal(nearest, self.k1), reciprocal(nearest, self.k1 // 2))
        encodings = encode(members, torch.cat([query, self.gallery]))
        nearer = _as_matrix(nearest[:, : self.k2 - 1])
        encodings = nearer @ encodings / (1 + min(self.k2 - 1, nearest.shape[1]))
        cosines = cosine_scores(query, self.gallery)
        similarity = JaccardSimilarity(encodings, len(query))
        return partial(_mix, cosines, similarity, self.original_weight)

    def _neighbours(self, query: Tensor) -> Integers:
        """Return the nearest other images of all queries, then of all gallery images, (N, k1)."""
        n_query = len(query)
        of_queries = _merge(
            self._find(query, query, is_same=True),
            _shift(self._find(query, self.gallery), n_query),
        )
        of_gallery = _merge(self._find(self.gallery, query), _shift(self.own, n_query))
        return np.concatenate([of_queries[:, : self.k1], of_gallery[:, : self.k1]])


def _mix(
    cosines: Scores,
    similarity: "JaccardSimilarity",
    original_weight: float,
    start: int,
    stop: int,
) -> Block:
    """Return the scores 1 - d* of a block of queries, equation (12)."""
    block = cosines(start, stop)
    jaccard = torch.from_numpy(similarity(start, stop)).to(block.fast.device)
    jaccard *= 1 - original_weight

    def exact(rows: Tensor, columns: Tensor) -> Tensor:
        return original_weight * block.exact(rows, columns) + jaccard[rows, columns]

    return Block(original_weight * block.fast + jaccard.to(block.fast.dtype), exact)


class JaccardSimilarity:
    """The similarities 1 - d_J of queries and gallery images, equation (10).

    Args:
        encodings: V of the queries, then of the gallery images, (Q + G, Q + G).
        n_query: The number of queries Q.
    """

    def __init__(self, encodings: sparse.csr_array, n_query: int) -> None:
        sums = encodings.sum(axis=1)
        self.query_sums, self.gallery_sums = sums[:n_query], sums[n_query:]
        self.query = encodings[:n_query]
        self.gallery = encodings[n_query:].tocsc()

    def __call__(self, start: int, stop: int) -> Float64s:
        """Return the similarities of the queries `start` to `stop`, (stop - start, G)."""
        return np.stack([self._of_query(query) for query in range(start, stop)])

    def _of_query(self, query: int) -> Float64s:
        """Return the similarities of one query, (G,).

        Minima are needed only where both encodings are positive: in the columns of the query's.
        """
        mine = slice(*self.query.indptr[query : query + 2])
        columns, weights = self.query.indices[mine], self.query.data[mine]
        first, counts = self.gallery.indptr[columns], np.diff(self.gallery.indptr)[columns]
        places = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        minima = np.minimum(self.gallery.data[places], np.repeat(weights, counts))
        n_gallery = len(self.gallery_sums)
        shared = np.bincount(self.gallery.indices[places], minima, minlength=n_gallery)
        similarity: Float64s = shared / (self.query_sums[query] + self.gallery_sums - shared)
        return similarity


def _shift(nearest: Nearest, by: int) -> Nearest:
    return Nearest(nearest.images + by, nearest.scores)


def _merge(*parts: Nearest) -> Integers:
    """Merge lists of neighbours of the same images, the nearest first."""
    images, scores = (np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True))
    order = np.lexsort((images, -scores), axis=1)
    return np.take_along_axis(images, order, axis=1)


def _as_matrix(nearest: Integers) -> sparse.csr_array:
    """Return N(p, k) as rows of zeros and ones, (N, N)."""
    n, k = nearest.shape
    members = np.sort(np.concatenate([np.arange(n)[:, None], nearest], axis=1)).ravel()
    starts = np.arange(0, len(members) + 1, k + 1)
    return sparse.csr_array((np.ones(len(members), dtype=np.int32), members, starts), (n, n))


def reciprocal(nearest: Integers, k: int) -> sparse.csr_array:
    """Return R(p, k) as rows of zeros and ones, (N, N), equation (2).

    Args:
        nearest: The nearest other images of each image, at least k if there are as many.
        k: Number of neighbours.

    >>> reciprocal(np.array([[1], [0], [1]]), k=1).toarray().tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    members = _as_matrix(nearest[:, :k])
    return members.multiply(members.T.tocsr()).tocsr()


def expand(members: sparse.csr_array, halves: sparse.csr_array) -> sparse.csr_array:
    """Return R*(p, k), equation (3), as rows (N, N) that are positive at the members and else 0.

    Args:
        members: R(p, k), as `reciprocal` returns it.
        halves: R(p, k/2), likewise.
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


def encode(members: sparse.csr_array, vectors: Tensor) -> sparse.csr_array:
    """Return V, (N, N), equation (7).

    Args:
        members: R*(p, k1), as `expand` returns it.
        vectors: Unit vectors of all images, (N, D).
    """
    members.sort_indices()
    owners = np.repeat(np.arange(len(vectors)), np.diff(members.indptr))
    rows, columns = (
        torch.from_numpy(indices).to(vectors.device, torch.int64)
        for indices in (owners, members.indices)
    )
    cosines = exact_products(vectors, vectors, rows, columns).numpy(force=True)
    return sparse.csr_array((np.exp(cosines - 1), members.indices, members.indptr), members.shape)
