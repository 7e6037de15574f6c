"""Searches of large galleries on a GPU: the very ranks and neighbours that the CPU finds.

Scores are float64 products there, whose error has a bound, `TOLERANCE`; what is closer than it, in
practice copies of an image only, is compared again in one fixed way, as on the CPU.
"""

import numpy as np
import torch
from torch import Tensor

from sfsc.retrieval.products import Float32s, Integers, exact_pairs
from sfsc.retrieval.ranking import BLOCK_QUERIES, Ragged, Relevance, rank_in_blocks
from sfsc.retrieval.reranking import Candidates

BLOCK_SCORES = 2**25
"""Most scores at once; up to 30 bytes of the GPU's memory each."""
TOLERANCE = 2.0**-40
"""Twice the largest error of a product of unit vectors of 4,096 values, however it is added up."""


class GalleryOnGPU:
    """A gallery that lies on a GPU, in float64; searched by cosine.

    Args:
        gallery: Unit vectors, (G, D).
        device: The GPU.
    """

    def __init__(self, gallery: Float32s, device: torch.device) -> None:
        self._gallery, self._device = gallery, device
        self._columns = self._double(gallery).T

    def __call__(self, query: Float32s, relevance: Relevance) -> Ragged:
        """Return the ranks of the positives of queries (Q, D)."""

        def count(start: int, stop: int, of_block: Relevance) -> Integers:
            return self._ranks(query[start:stop], of_block)

        block_queries = max(1, min(BLOCK_QUERIES, BLOCK_SCORES // len(self._gallery)))
        return rank_in_blocks(count, relevance, block_queries)

    def candidates(self, rows: Float32s, k: int, own_column: int | None) -> Candidates:
        """See `sfsc.retrieval.reranking.Cosines`."""
        scores = self._scores(rows)
        if own_column is not None:
            every = torch.arange(len(rows), device=self._device)
            scores[every, own_column + every] = -torch.inf
        least = scores.topk(k, dim=1, sorted=True).values[:, -1:]
        owners, images = (scores >= least - TOLERANCE).nonzero().cpu().numpy().T
        return owners, images

    def _double(self, vectors: Float32s) -> Tensor:
        return torch.from_numpy(vectors).to(self._device).double()

    def _scores(self, rows: Float32s) -> Tensor:
        """Return the scores of rows (B, D) and the gallery, (B, G)."""
        return self._double(rows) @ self._columns

    def _ranks(self, query: Float32s, relevance: Relevance) -> Integers:
        """Return the ranks of the positives of a block of queries, in their order."""
        positives, removed = relevance.positives, relevance.removed
        scores = self._scores(query)
        scores[:, self._index(relevance.junk)] = -torch.inf
        scores[self._index(removed.owners), self._index(removed.values)] = -torch.inf
        owners, values = self._index(positives.owners), self._index(positives.values)
        own = scores[owners, values][:, None]
        ranks = np.empty_like(positives.values)
        part_positives = max(1, BLOCK_SCORES // scores.shape[1])
        for start in range(0, len(ranks), part_positives):
            part = slice(start, start + part_positives)
            leads = scores[owners[part]].sub_(own[part])
            ahead = (leads > TOLERANCE).sum(dim=1)
            close = (leads.abs_() <= TOLERANCE).nonzero()
            ranks[part] = 1 + ahead.cpu().numpy()
            ranks[part] += self._ahead_among_close(
                query, positives.owners[part], positives.values[part], close.cpu().numpy()
            )
        return ranks

    def _index(self, integers: Integers) -> Tensor:
        return torch.from_numpy(integers).to(self._device)

    def _ahead_among_close(
        self, query: Float32s, owners: Integers, positives: Integers, close: Integers
    ) -> Integers:
        """Count the images ahead of each positive (P,) among those close to it.

        Args:
            query: Of the block, (B, D).
            owners: Query of each positive.
            positives: Gallery indices.
            close: Pairs of a positive, by its number, and a gallery image, (pairs, 2).
        """
        number, image = close[close[:, 1] != positives[close[:, 0]]].T
        rival = exact_pairs(query, owners[number], self._gallery, image)
        own = exact_pairs(query, owners[number], self._gallery, positives[number])
        is_ahead = (rival > own) | ((rival == own) & (image < positives[number]))
        return np.bincount(number[is_ahead], minlength=len(positives))
