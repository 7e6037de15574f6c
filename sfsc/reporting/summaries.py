"""Summaries of a matrix of cross-tests: a metric, averaged over some of its cells."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfsc.reporting.runs import Float64s, Run

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Summary:
    """The mean of a metric over some cells of a matrix of cross-tests."""

    heading: str
    """Heading of its column in a table."""
    metric: str
    """Argument of `Run.matrix`."""
    cells: Callable[[Float64s], Mask]
    """Selects the cells, (M, M) to (M, M)."""

    def of_run(self, run: Run) -> float | None:
        """Return the summary as a fraction, None if it selects no cell."""
        matrix = run.matrix(self.metric)
        mask = self.cells(matrix)
        return float(matrix[mask].mean()) if mask.any() else None

    def of_queries(self, run: Run) -> Float64s:
        """Return the summary of each valid query, percent, (Q,). Their mean is that of the run.

        The summary must select at least one cell.
        """
        mask = self.cells(run.matrix(self.metric))
        values: Float64s = run.queries(self.metric)[mask].mean(axis=0)
        return 100 * values


def _all(matrix: Float64s) -> Mask:
    return np.ones(matrix.shape, dtype=bool)


def _diagonal(matrix: Float64s) -> Mask:
    return np.eye(len(matrix), dtype=bool)


def _off_diagonal(matrix: Float64s) -> Mask:
    return ~_diagonal(matrix)


def _worst(matrix: Float64s) -> Mask:
    """Return the smallest cell, the first of several."""
    mask = np.zeros(matrix.shape, dtype=bool)
    mask.flat[matrix.argmin()] = True
    return mask


AVERAGE_MAP = Summary("mAP", "map", _all)
SUMMARIES = {
    "average_map": AVERAGE_MAP,
    "diagonal_map": Summary("self-tests", "map", _diagonal),
    "off_diagonal_map": Summary("cross-tests", "map", _off_diagonal),
    "worst_map": Summary("worst pair", "map", _worst),
    "cmc_1": Summary("rank-1", "cmc_1", _all),
    "minp": Summary("mINP", "minp", _all),
}
"""The summaries that the tables show, by the name of their columns."""


def self_test(switch: int) -> Summary:
    """Return the mAP of one sub-model's self-test."""
    return cell(switch, switch)


def cell(query: int, gallery: int) -> Summary:
    """Return the mAP of one cell.

    Args:
        query: Index of the query's sub-model.
        gallery: Index of the gallery's sub-model.
    """

    def cells(matrix: Float64s) -> Mask:
        mask = np.zeros(matrix.shape, dtype=bool)
        mask[query, gallery] = True
        return mask

    return Summary("mAP", "map", cells)
