"""The ranks of each query's positives in its gallery, without sorting the gallery (DESIGN.md 3).

Every metric of `sfsc.retrieval.metrics` follows from the ranks of the positives, and a rank is a
count: one plus the images ahead. Images ahead score higher, or equally and come first in the
gallery. The counts are those of exact scores (`sfsc.retrieval.inner_products`), so the ranks are
the same on every device and for every block size, and copies of an image are true ties.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sfsc.retrieval.arrays import Float32s, Integers
from sfsc.retrieval.inner_products import (
    TOLERANCE,
    exact_products,
    fast_products,
    order_by_score,
)
from sfsc.retrieval.relevance import Ragged, Relevance

BLOCK_QUERIES = 256
"""Queries ranked at once: enough for the matrix product to run at full speed."""
BLOCK_SCORES = 2**23
"""Most scores computed at once, whatever the size of the gallery; up to 40 bytes of memory each."""

_SPACING = 4.0
"""Distance between the keys of successive queries; larger than a range of scores, [-1, 1]."""


class Block(NamedTuple):
    """Scores in [-1, 1] of some successive queries with each gallery image; higher is better."""

    fast: Tensor
    """(B, G), each within `TOLERANCE` / 2 of the exact score."""
    exact: Callable[[Tensor, Tensor], Tensor]
    """From rows and columns of the block, (pairs,) each, to their float64 scores, (pairs,)."""


Scores = Callable[[int, int], Block]
"""From the first query of a block and the first after it to the block."""
Search = Callable[[Tensor], Scores]
"""From queries (Q, D) to their scores with the images of one gallery."""
Index = Callable[[Tensor], Search]
"""From a gallery (G, D) to the search in it; what depends on the gallery alone is done once."""


def index_by_cosine(gallery: Tensor) -> Search:
    """Return the search by cosine among unit vectors (G, D)."""
    return partial(cosine_scores, gallery=gallery)


def cosine_scores(query: Tensor, gallery: Tensor) -> Scores:
    """Return the cosines of unit vectors (Q, D) and (G, D)."""

    def score(start: int, stop: int) -> Block:
        block = query[start:stop]
        return Block(fast_products(block, gallery), partial(exact_products, block, gallery))

    return score


def positive_ranks(
    query: Float32s, gallery: Float32s, relevance: Relevance, *, block_queries: int = BLOCK_QUERIES
) -> Ragged:
    """Return the ranks of every query's positives by cosine, computed on the CPU.

    Args:
        query: Unit vectors, (Q, D).
        gallery: Unit vectors, (G, D).
        relevance: Relevance of the G gallery images to the Q queries.
        block_queries: Queries ranked at once; the ranks do not depend on it.
    """
    scores = cosine_scores(torch.from_numpy(query), torch.from_numpy(gallery))
    return rank_positives(scores, relevance, block_queries=block_queries)


def rank_positives(
    scores: Scores, relevance: Relevance, *, block_queries: int = BLOCK_QUERIES
) -> Ragged:
    """Return the ranks of every query's positives, ascending, counted from 1.

    Args:
        scores: Scores of the Q queries and G gallery images.
        relevance: Relevance of the G gallery images to the Q queries.
        block_queries: Queries ranked at once; the ranks do not depend on it.
    """
    positives = relevance.positives
    n_queries = len(positives.counts)
    block_queries = max(1, min(block_queries, BLOCK_SCORES // relevance.n_gallery))
    ranks = np.empty_like(positives.values)
    for start in range(0, n_queries, block_queries):
        stop = min(start + block_queries, n_queries)
        span = slice(positives.offsets[start], positives.offsets[stop])
        ranks[span] = _rank_block(scores(start, stop), relevance.block(start, stop))
    return Ragged(ranks[np.lexsort((ranks, positives.owners))], positives.offsets)


class _Pairs(NamedTuple):
    """Pairs of a query of the block and a gallery image.

    The key is the fast score plus `_SPACING` times the query: ascending keys sort by query, then by
    score, and one search among them serves all queries of the block.
    """

    places: Tensor
    """query * G + image, (pairs,)."""
    keys: Tensor
    """(pairs,)."""


def _pair(scores: Tensor, places: Tensor) -> _Pairs:
    """Return pairs with the keys that follow from the scores (B, G)."""
    queries = places // scores.shape[1]
    return _Pairs(places, scores.flatten()[places] + _SPACING * queries.double())


def _rank_block(block: Block, relevance: Relevance) -> Integers:
    """Return the ranks of the positives of a block of queries, in the order of the positives."""
    if not len(relevance.positives.values):
        return relevance.positives.values
    scores = block.fast
    lookup = partial(_places, n_gallery=relevance.n_gallery, device=scores.device)
    scores[:, torch.from_numpy(relevance.junk).to(scores.device)] = -torch.inf
    scores.view(-1)[lookup(relevance.removed)] = -torch.inf
    positives = _pair(scores, lookup(relevance.positives))
    order = positives.keys.argsort()
    ranks = torch.empty_like(order)
    ranks[order] = 1 + _count_ahead(block, _Pairs(*(rows[order] for rows in positives)))
    return ranks.numpy(force=True)


def _places(ragged: Ragged, n_gallery: int, device: torch.device) -> Tensor:
    return torch.from_numpy(ragged.owners * n_gallery + ragged.values).to(device)


def _count_ahead(block: Block, positives: _Pairs) -> Tensor:
    """Return the number of images ahead of each positive, (P,).

    Args:
        block: The block of scores, removed images at minus infinity.
        positives: Ascending keys.
    """
    n_gallery = block.fast.shape[1]
    rivals = _find_rivals(block.fast, positives)
    behind = torch.searchsorted(positives.keys, rivals.keys - TOLERANCE)
    query_ends = (positives.places // n_gallery + 1) * n_gallery
    ahead = _count_clearly_ahead(query_ends, rivals.places, behind)
    contested, doubtful = _find_doubtful(positives, rivals, behind)
    if len(doubtful):
        few = rivals.places[doubtful]
        ahead -= contested * _count_clearly_ahead(query_ends, few, behind[doubtful])
        exact = block.exact(few // n_gallery, few % n_gallery)
        ahead[contested] += _count_exactly_ahead(positives.places[contested], few, exact, n_gallery)
    return ahead


def _find_rivals(scores: Tensor, positives: _Pairs) -> _Pairs:
    """Return the images that may be ahead of a positive of their query, positives included.

    Their places ascend.
    """
    own = scores.flatten()[positives.places]
    worst = own.new_full((len(scores),), torch.inf)
    worst = worst.scatter_reduce(0, positives.places // scores.shape[1], own, "amin")
    is_rival = scores >= (worst - TOLERANCE)[:, None]
    return _pair(scores, is_rival.flatten().nonzero().squeeze(1))


def _count_clearly_ahead(query_ends: Tensor, rivals: Tensor, behind: Tensor) -> Tensor:
    """Return the number of rivals more than `TOLERANCE` ahead of each positive, (P,).

    Args:
        query_ends: First place after the query of each positive.
        rivals: Places, ascending.
        behind: Number of positives, earlier queries' included, clearly behind each rival.
    """
    return torch.searchsorted(rivals, query_ends) - _count_up_to(behind, len(query_ends))


def _count_up_to(values: Tensor, n: int) -> Tensor:
    """Return how many values are 0, at most 1, ..., at most n - 1; (n,). No value is above n."""
    return values.bincount(minlength=n + 1).cumsum(0)[:n]


def _find_doubtful(positives: _Pairs, rivals: _Pairs, behind: Tensor) -> tuple[Tensor, Tensor]:
    """Return which comparisons need exact scores.

    Returns:
        A mask of the positives that are close to an image besides themselves, (P,), and the indices
        of the rivals close to them, themselves included.
    """
    n = len(positives.keys)
    next_key = functional.pad(positives.keys, (0, 1), value=torch.inf)[behind]
    close = (next_key <= rivals.keys + TOLERANCE).nonzero().squeeze(1)
    first = behind[close]  # rival `close[i]` is close to the positives first[i] to last[i] - 1
    last = torch.searchsorted(positives.keys, rivals.keys[close] + TOLERANCE, right=True)
    is_contested = _count_up_to(first, n) - _count_up_to(last, n) > 1
    contested_before = functional.pad(is_contested.cumsum(0), (1, 0))
    return is_contested, close[contested_before[last] > contested_before[first]]


def _count_exactly_ahead(
    positives: Tensor, rivals: Tensor, exact: Tensor, n_gallery: int
) -> Tensor:
    """Return the number of rivals ahead of each positive by exact score, (P,).

    Args:
        positives: Places, all among the rivals'.
        rivals: Places, ascending.
        exact: Exact scores of the rivals.
        n_gallery: Gallery images G.
    """
    order = order_by_score(rivals // n_gallery, exact)
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order), device=order.device)
    query_starts = positives // n_gallery * n_gallery
    mine = torch.searchsorted(rivals, positives)
    return ranks[mine] - torch.searchsorted(rivals, query_starts)
