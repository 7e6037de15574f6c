"""What each gallery image is to each query (DESIGN.md 3).

Of a query's gallery, junk (identity -1) and images of the same identity *and* the same camera are
removed. The positives are the remaining images of its identity. Everything else, distractors
included, stays as negatives.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfsc.retrieval.arrays import Integers


class Labels(NamedTuple):
    """Identity and camera of each image of a split."""

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
        """Return the integers of the queries `start` to `stop`, numbered from 0."""
        first, last = self.offsets[start], self.offsets[stop]
        return Ragged(self.values[first:last], self.offsets[start : stop + 1] - first)


@dataclass(frozen=True)
class Relevance:
    """What each gallery image is to each query; it is the same for every pair of sub-models."""

    positives: Ragged
    """Ascending gallery indices of the same identity in other cameras."""
    removed: Ragged
    """Gallery indices of the same identity in the same camera."""
    junk: Integers
    """Gallery indices removed for every query."""
    n_gallery: int
    """Gallery images G, removed ones included."""

    def block(self, start: int, stop: int) -> "Relevance":
        """Return the relevance to the queries `start` to `stop`, numbered from 0."""
        positives, removed = (pairs.block(start, stop) for pairs in (self.positives, self.removed))
        return Relevance(positives, removed, self.junk, self.n_gallery)


def find_relevant(query: Labels, gallery: Labels) -> Relevance:
    """Apply the protocol to the labels. A junk query has no positives.

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

    def select(mask: NDArray[np.bool_]) -> Ragged:
        sizes = np.bincount(owner[mask], minlength=len(counts))
        return Ragged(same_identity[mask], np.concatenate([[0], np.cumsum(sizes)]))

    junk = np.flatnonzero(gallery.identity < 0)
    return Relevance(select(~is_removed), select(is_removed), junk, len(ordered))
