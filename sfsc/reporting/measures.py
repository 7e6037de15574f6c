"""What the tables and claims measure of a run: a metric, and the cells of its matrix that count."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfsc.reporting.runs import Float64s, Run

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Measure:
    """A mean over some cells of a matrix of cross-tests."""

    heading: str
    metric: str
    """Of `sfsc.reporting.runs.Run.matrix`."""
    cells: Callable[[Float64s], Mask]
    """Which cells of a matrix count, (M, M) to (M, M)."""

    def of_run(self, run: Run) -> float | None:
        """Return the value as a fraction, None if no cell counts."""
        matrix = run.matrix(self.metric)
        mask = self.cells(matrix)
        return float(matrix[mask].mean()) if mask.any() else None

    def of_queries(self, run: Run) -> Float64s:
        """Return the value of each valid query, percent, (Q,); their mean is that of the run.

        Some cell must count.
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
    """Return one cell: the first of the smallest."""
    mask = np.zeros(matrix.shape, dtype=bool)
    mask.flat[matrix.argmin()] = True
    return mask


AVERAGE_MAP = Measure("mAP", "map", _all)
MEASURES = {
    "average_map": AVERAGE_MAP,
    "diagonal_map": Measure("self-tests", "map", _diagonal),
    "off_diagonal_map": Measure("cross-tests", "map", _off_diagonal),
    "worst_map": Measure("worst pair", "map", _worst),
    "cmc_1": Measure("rank-1", "cmc_1", _all),
    "minp": Measure("mINP", "minp", _all),
}
"""Column of the tables: what it measures."""


def self_test(switch: int) -> Measure:
    """Return the measure of one sub-model's self-test."""

    def cells(matrix: Float64s) -> Mask:
        mask = np.zeros(matrix.shape, dtype=bool)
        mask[switch, switch] = True
        return mask

    return Measure("self-test", "map", cells)
