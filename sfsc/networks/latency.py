"""Timing calls on a machine that is not idle.

The calls take turns, so that a disturbance of some length affects all of them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

WARM_UP_ROUNDS = 2
"""Rounds not counted: first calls select algorithms and allocate memory."""
LEAST_ROUNDS, MOST_ROUNDS = 3, 200
SECONDS_PER_CALL = 0.5
"""Time limit for each call, over all rounds; at least `LEAST_ROUNDS` are run."""


@dataclass(frozen=True)
class Quartiles:
    """Median and spread of a measured value."""

    q1: float
    median: float
    q3: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Quartiles":
        """Return the quartiles of some values, interpolated linearly.

        >>> Quartiles.of(np.array([1.0, 2.0, 4.0]))
        Quartiles(q1=1.5, median=2.0, q3=3.0)
        """
        return cls(*(float(q) for q in np.quantile(values, (0.25, 0.5, 0.75))))


def time_in_turns(
    calls: Sequence[Callable[[], object]], device: torch.device
) -> NDArray[np.float64]:
    """Return the seconds that each call took in each round, (rounds, calls).

    A round makes each call once, in random order. There are 3 to 200 rounds: as many as fit into
    half a second per call.

    Args:
        calls: The functions to time.
        device: Where they compute; each is timed until its work on a GPU is done.
    """
    orders = _draw_orders(len(calls))
    for _ in range(WARM_UP_ROUNDS):
        _time_round(calls, next(orders), device)
    rounds: list[NDArray[np.float64]] = []
    end = time.perf_counter() + SECONDS_PER_CALL * len(calls)
    while len(rounds) < LEAST_ROUNDS or (len(rounds) < MOST_ROUNDS and time.perf_counter() < end):
        rounds.append(_time_round(calls, next(orders), device))
    return np.stack(rounds)


def _draw_orders(n: int) -> Iterator[NDArray[np.int64]]:
    generator = np.random.default_rng(0)
    while True:
        yield generator.permutation(n)


def _time_round(
    calls: Sequence[Callable[[], object]], order: NDArray[np.int64], device: torch.device
) -> NDArray[np.float64]:
    seconds = np.empty(len(calls))
    for index in order:
        _wait_for(device)
        start = time.perf_counter()
        calls[index]()
        _wait_for(device)
        seconds[index] = time.perf_counter() - start
    return seconds


def _wait_for(device: torch.device) -> None:
    """Wait until a GPU has done its work; a CPU has already."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
