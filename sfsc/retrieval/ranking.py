"""Where the positives of a query land in the ranked gallery (DESIGN.md 3).

Protocol: of a query's gallery, junk (identity -1) and images of the same identity *and* the same
camera are removed; the positives are the remaining images of its identity; everything else,
distractors included, stays as negatives. Equal scores keep the order of the gallery.

Every metric of `sfsc.retrieval.metrics` follows from the ranks of the positives alone, and a rank
is a count: one plus the images ahead. So nothing is sorted, and the scores exist only for one
block of queries at a time.

Floating point: a block of scores is one float32 matrix product, whose last bits depend on the
block's shape, on an image's place in the gallery and on the machine; two copies of one image may
differ. Scores closer than `TOLERANCE` are therefore compared again in float64, one fixed way. The
ranks are those of float64 scores: the same for every block size, and copies are true ties.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK_QUERIES = 128
"""Queries scored at once: enough for the matrix product to run at full speed."""
TOLERANCE = np.float32(2.0**-19)
"""Several times the error of a float32 product of unit vectors. Larger is as right, only slower."""

_PARALLEL_POSITIVES = 64
_EXACT_ROWS = 4096

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Labels(NamedTuple):
    """What the protocol knows of the rows of a set of embeddings."""

    identity: Integers
    """(rows,), -1 for junk."""
    camera: Integers
    """(rows,)."""


@dataclass(frozen=True)
class Ragged:
    """One array of integers per query, stored end to end."""

    values: Integers
    """(total,)."""
    offsets: Integers
    """(Q + 1,): query i owns `values[offsets[i]:offsets[i + 1]]`."""

    def __getitem__(self, query: int) -> Integers:
        """Return the integers of one query."""
        return self.values[self.offsets[query] : self.offsets[query + 1]]

    @property
    def counts(self) -> Integers:
        """Number of integers of each query, (Q,)."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Relevance:
    """What each gallery image is to each query: the same for every pair of sub-models."""

    positives: Ragged
    """Ascending gallery indices of the same identity in other cameras."""
    removed: Ragged
    """Gallery indices of the same identity in the same camera."""
    junk: Integers
    """Gallery indices removed for every query."""


def find_relevant(query: Labels, gallery: Labels) -> Relevance:
    """Apply the protocol to the labels.

    A junk query has no positives.

    Args:
        query: Labels of the Q queries.
        gallery: Labels of the G gallery images.
    """
    order = np.argsort(gallery.identity, kind="stable")
    ordered = gallery.identity[order]
    start = np.searchsorted(ordered, query.identity, side="left")
    stop = np.searchsorted(ordered, query.identity, side="right")
    counts = np.where(query.identity >= 0, stop - start, 0)
    owner = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    same_identity = order[start[owner] + within]
    is_removed = gallery.camera[same_identity] == query.camera[owner]

    def select(mask: Mask) -> Ragged:
        sizes = np.bincount(owner[mask], minlength=len(counts))
        return Ragged(same_identity[mask], np.concatenate([[0], np.cumsum(sizes)]))

    return Relevance(select(~is_removed), select(is_removed), np.flatnonzero(gallery.identity < 0))


def positive_ranks(
    query: Float32s, gallery: Float32s, relevance: Relevance, *, block_queries: int = BLOCK_QUERIES
) -> Ragged:
    """Return the ranks of every query's positives, best first, from 1.

    Memory: `block_queries` x G scores and a few rows of G flags. Time: the matrix product, and per
    positive two comparisons with every image that is ahead of the query's worst positive.

    Args:
        query: Unit vectors, (Q, D).
        gallery: Unit vectors, (G, D).
        relevance: Of these queries and this gallery.
        block_queries: Queries scored at once; the ranks do not depend on it.
    """
    positives = relevance.positives
    ranks = np.empty_like(positives.values)
    counter = _Counter(gallery)
    for index, scores in _score_rows(query, gallery, relevance, block_queries):
        found = counter.ranks(scores, query[index], positives[index])
        found.sort()
        ranks[positives.offsets[index] : positives.offsets[index + 1]] = found
    return Ragged(ranks, positives.offsets)


def _score_rows(
    query: Float32s, gallery: Float32s, relevance: Relevance, block_queries: int
) -> Iterator[tuple[int, Float32s]]:
    """Yield each query that has positives with its scores (G,), what is removed at -inf."""
    buffer = np.empty((min(block_queries, len(query)), len(gallery)), dtype=np.float32)
    has_positive = relevance.positives.counts > 0
    for start in range(0, len(query), block_queries):
        block = query[start : start + block_queries]
        scores = np.matmul(block, gallery.T, out=buffer[: len(block)])
        scores[:, relevance.junk] = -np.inf
        for index, row in enumerate(scores, start):
            if has_positive[index]:
                row[relevance.removed[index]] = -np.inf
                yield index, row


class _Counter:
    """Counts the images ahead of each positive; its flags are too many to allocate per query."""

    def __init__(self, gallery: Float32s) -> None:
        self.gallery = gallery
        self.flags = np.empty((2, _PARALLEL_POSITIVES * len(gallery)), dtype=np.bool_)

    def ranks(self, scores: Float32s, query: Float32s, positives: Integers) -> Integers:
        """Return the rank of each of one query's positives, in their order."""
        own = scores[positives]
        images = np.flatnonzero(scores >= own.min() - TOLERANCE)  # only these can be ahead of any
        scores = scores[images]
        ranks = np.empty_like(positives)
        for start in range(0, len(positives), _PARALLEL_POSITIVES):
            part = slice(start, start + _PARALLEL_POSITIVES)
            ahead, level = self._compare(scores, own[part])
            # Row by row: numpy counts a contiguous row several times faster than along an axis.
            ranks[part] = [np.count_nonzero(row) + 1 for row in ahead]
            if np.count_nonzero(level) > np.count_nonzero(ahead) + len(ahead):
                is_close = np.not_equal(level, ahead, out=level)
                ranks[part] += self._ahead_among_close(query, positives[part], images, is_close)
        return ranks

    def _compare(self, scores: Float32s, own: Float32s) -> tuple[Mask, Mask]:
        """Return which scores (G',) are ahead of each of `own` (P,), and which at least level."""
        shape = (len(own), len(scores))
        ahead, level = (flags[: shape[0] * shape[1]].reshape(shape) for flags in self.flags)
        np.greater(scores, (own + TOLERANCE)[:, None], out=ahead)
        np.greater_equal(scores, (own - TOLERANCE)[:, None], out=level)
        return ahead, level

    def _ahead_among_close(
        self, query: Float32s, positives: Integers, images: Integers, is_close: Mask
    ) -> Integers:
        """Count the images ahead of each positive among those close to it, a mask (P, images)."""
        owner, column = np.divmod(np.flatnonzero(is_close), len(images))
        rivals, pair = np.unique(images[column], return_inverse=True)  # positives among them
        exact = _exact_scores(query, self.gallery, rivals)
        own = exact[np.searchsorted(rivals, positives)][owner]
        is_ahead = exact[pair] > own
        is_ahead |= (exact[pair] == own) & (rivals[pair] < positives[owner])
        return np.bincount(owner[is_ahead], minlength=len(positives))


def _exact_scores(query: Float32s, gallery: Float32s, images: Integers) -> Float64s:
    """Return float64 scores of some gallery images; copies of an image score the same to the bit.

    A product of two float32 is exact in float64, and each row is summed the same way. (A BLAS
    routine would promise neither.)
    """
    wide = query.astype(np.float64)
    parts = [images[i : i + _EXACT_ROWS] for i in range(0, len(images), _EXACT_ROWS)]
    return np.concatenate([np.sum(gallery[part] * wide, axis=1) for part in parts])
