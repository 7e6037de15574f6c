"""How long calls take on a machine that does other things, too.

The calls take turns, so that what disturbs the machine for a while disturbs all of them alike.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

WARM_UP_ROUNDS = 2
"""Not counted: first calls choose algorithms and get memory."""
LEAST_ROUNDS, MOST_ROUNDS = 3, 200
SECONDS_PER_CALL = 0.5
"""Bounds the measurement where that leaves enough rounds."""


@dataclass(frozen=True)
class Quartiles:
    """Median and spread of a measured value."""

    q1: float
    median: float
    q3: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Quartiles":
        """Return the quartiles of some values, interpolated linearly."""
        return cls(*(float(q) for q in np.quantile(values, (0.25, 0.5, 0.75))))


def time_in_turns(
    calls: Sequence[Callable[[], object]], device: torch.device
) -> NDArray[np.float64]:
    """Return how long each call took in each round, seconds, (rounds, calls).

    A round is one call of each, in an order drawn anew. There are 3 to 200 rounds: as many as fit
    into half a second for each call.

    Args:
        calls: What to time.
        device: Where they compute; a GPU's work counts until it is done.
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
    """Wait for what the device was told to do; a processor has done it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
