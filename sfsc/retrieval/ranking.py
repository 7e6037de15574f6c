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

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sfsc.retrieval.products import Float32s, Float64s, Integers, exact_products

BLOCK_QUERIES = 256
"""Queries scored at once: enough for the matrix product to run at full speed."""
BLOCK_SCORES = 2**24
"""Most scores at once, whatever the gallery's size; up to 35 bytes of memory each."""
TOLERANCE = np.float32(2.0**-19)
"""Several times the error of a float32 product of unit vectors. Larger is as right, only slower."""

_PARALLEL_POSITIVES = 64

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

    @cached_property
    def counts(self) -> Integers:
        """Number of integers of each query, (Q,)."""
        return np.diff(self.offsets)

    @cached_property
    def owners(self) -> Integers:
        """Query of each integer, (total,)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def block(self, start: int, stop: int) -> "Ragged":
        """Return the part of some successive queries, numbered from 0."""
        first, last = self.offsets[start], self.offsets[stop]
        return Ragged(self.values[first:last], self.offsets[start : stop + 1] - first)


@dataclass(frozen=True)
class Relevance:
    """What each gallery image is to each query: the same for every pair of sub-models."""

    positives: Ragged
    """Ascending gallery indices of the same identity in other cameras."""
    removed: Ragged
    """Gallery indices of the same identity in the same camera."""
    junk: Integers
    """Gallery indices removed for every query."""

    def block(self, start: int, stop: int) -> "Relevance":
        """Return the part of some successive queries, numbered from 0."""
        return Relevance(
            self.positives.block(start, stop), self.removed.block(start, stop), self.junk
        )


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


BlockRanks = Callable[[int, int, Relevance], Integers]


class Scores(Protocol):
    """How well each gallery image answers each query: higher is better."""

    n_gallery: int

    def write_block(self, start: int, stop: int, out: Float32s) -> None:
        """Write float32 scores of some successive queries, (stop - start, G).

        They are within a small part of `TOLERANCE` of the exact ones.
        """
        ...

    def exact(self, query: int, images: Integers) -> Float64s:
        """Return float64 scores of one query and some images, the same in every call."""
        ...


class InnerProducts:
    """Scores of unit vectors: their cosines.

    Args:
        query: (Q, D).
        gallery: (G, D).
    """

    def __init__(self, query: Float32s, gallery: Float32s) -> None:
        self.query, self.gallery = query, gallery
        self.n_gallery = len(gallery)

    def write_block(self, start: int, stop: int, out: Float32s) -> None:
        """See `Scores`."""
        np.matmul(self.query[start:stop], self.gallery.T, out=out)

    def exact(self, query: int, images: Integers) -> Float64s:
        """Return float64 scores of some images; copies of an image score the same to the bit."""
        return exact_products(self.query[query], self.gallery, images)


def positive_ranks(
    query: Float32s, gallery: Float32s, relevance: Relevance, *, block_queries: int = BLOCK_QUERIES
) -> Ragged:
    """Return the ranks of every query's positives by cosine (`rank_positives`).

    Args:
        query: Unit vectors, (Q, D).
        gallery: Unit vectors, (G, D).
        relevance: Of these queries and this gallery.
        block_queries: Queries scored at once; the ranks do not depend on it.
    """
    return rank_positives(InnerProducts(query, gallery), relevance, block_queries=block_queries)


def rank_positives(
    scores: Scores, relevance: Relevance, *, block_queries: int = BLOCK_QUERIES
) -> Ragged:
    """Return the ranks of every query's positives, best first, from 1.

    Memory: `block_queries` x G scores and flags. Time: the scores', and per positive two
    comparisons with every image that is ahead of the query's worst positive.

    Args:
        scores: Of the Q queries and G gallery images.
        relevance: Of these queries and this gallery.
        block_queries: Queries scored at once; the ranks do not depend on it.
    """
    n_queries = len(relevance.positives.counts)
    block_queries = max(1, min(block_queries, n_queries, BLOCK_SCORES // scores.n_gallery))
    return rank_in_blocks(_Counter(scores, block_queries).ranks, relevance, block_queries)


def rank_in_blocks(count: BlockRanks, relevance: Relevance, block_queries: int) -> Ragged:
    """Return the ranks of every query's positives, best first, found block by block.

    Args:
        count: From the first query of a block, the one behind its last, and what is relevant to
            them, to the ranks of their positives in the order of these.
        relevance: Of all queries.
        block_queries: Queries of a block.
    """
    positives = relevance.positives
    n_queries = len(positives.counts)
    ranks = np.empty_like(positives.values)
    for start in range(0, n_queries, block_queries):
        stop = min(start + block_queries, n_queries)
        span = slice(positives.offsets[start], positives.offsets[stop])
        ranks[span] = count(start, stop, relevance.block(start, stop))
    return Ragged(ranks[np.lexsort((ranks, positives.owners))], positives.offsets)


class _Counter:
    """Counts the images ahead of each positive; its arrays are too large to allocate per block."""

    def __init__(self, source: Scores, block_queries: int) -> None:
        self.source = source
        self.scores = np.empty((block_queries, source.n_gallery), dtype=np.float32)
        self.is_rival = np.empty(self.scores.shape, dtype=np.bool_)
        self.flags = np.empty((2, _PARALLEL_POSITIVES * source.n_gallery), dtype=np.bool_)

    def ranks(self, first: int, stop: int, relevance: Relevance) -> Integers:
        """Return the ranks of the positives of a block of queries, in their order."""
        positives = relevance.positives
        scores = self._score(first, stop, relevance)
        own = scores[positives.owners, positives.values]
        rivals, rival_scores = self._find_rivals(scores, own, positives)
        ranks = np.empty_like(positives.values)
        for row in np.flatnonzero(positives.counts).tolist():
            mine = slice(positives.offsets[row], positives.offsets[row + 1])
            theirs = slice(rivals.offsets[row], rivals.offsets[row + 1])
            for start in range(mine.start, mine.stop, _PARALLEL_POSITIVES):
                part = slice(start, min(start + _PARALLEL_POSITIVES, mine.stop))
                ahead, level = self._compare(rival_scores[theirs], own[part])
                # Row by row: numpy counts a contiguous row faster than along an axis.
                counts = [np.count_nonzero(flags) + 1 for flags in ahead]
                ranks[part] = counts
                if np.count_nonzero(level) > sum(counts):  # not only each positive with itself
                    is_close = np.not_equal(level, ahead, out=level)
                    ranks[part] += self._ahead_among_close(
                        first + row, positives.values[part], rivals.values[theirs], is_close
                    )
        return ranks

    def _score(self, first: int, stop: int, relevance: Relevance) -> Float32s:
        """Return the scores (B, G) of a block, what is removed at -inf."""
        scores = self.scores[: stop - first]
        self.source.write_block(first, stop, scores)
        scores[:, relevance.junk] = -np.inf
        scores[relevance.removed.owners, relevance.removed.values] = -np.inf
        return scores

    def _find_rivals(
        self, scores: Float32s, own: Float32s, positives: Ragged
    ) -> tuple[Ragged, Float32s]:
        """Return the images that may be ahead of a positive of a query, and their scores.

        They are those level with its worst positive, the positives themselves among them.
        """
        n, width = scores.shape
        worst = np.full(n, np.inf, dtype=np.float32)
        has_positive = positives.counts > 0
        if len(own):
            worst[has_positive] = np.minimum.reduceat(own, positives.offsets[:-1][has_positive])
        is_rival = self.is_rival[:n]
        np.greater_equal(scores, (worst - TOLERANCE)[:, None], out=is_rival)
        places = np.flatnonzero(is_rival)
        offsets = np.searchsorted(places, np.arange(n + 1) * width)
        images = places - np.repeat(np.arange(n) * width, np.diff(offsets))
        return Ragged(images, offsets), scores.ravel()[places]

    def _compare(self, scores: Float32s, own: Float32s) -> tuple[Mask, Mask]:
        """Return which scores (R,) are ahead of each of `own` (P,), and which at least level."""
        shape = (len(own), len(scores))
        ahead, level = (flags[: shape[0] * shape[1]].reshape(shape) for flags in self.flags)
        np.greater(scores, (own + TOLERANCE)[:, None], out=ahead)
        np.greater_equal(scores, (own - TOLERANCE)[:, None], out=level)
        return ahead, level

    def _ahead_among_close(
        self, query: int, positives: Integers, images: Integers, is_close: Mask
    ) -> Integers:
        """Count the images ahead of each positive among those close to it, a mask (P, images)."""
        owner, column = np.divmod(np.flatnonzero(is_close), len(images))
        rivals, pair = np.unique(images[column], return_inverse=True)  # positives among them
        exact = self.source.exact(query, rivals)
        own = exact[np.searchsorted(rivals, positives)][owner]
        is_ahead = exact[pair] > own
        is_ahead |= (exact[pair] == own) & (rivals[pair] < positives[owner])
        return np.bincount(owner[is_ahead], minlength=len(positives))
