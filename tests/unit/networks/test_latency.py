"""Calls take turns, each is timed, and the spread is given by quartiles."""

import time

import numpy as np
import pytest
import torch

from sfsc.networks import latency
from sfsc.networks.latency import (
    LEAST_ROUNDS,
    MOST_ROUNDS,
    WARM_UP_ROUNDS,
    Quartiles,
    time_in_turns,
)

CPU = torch.device("cpu")


def calls_of(n: int, seen: list[int], pause: float = 0.0) -> list:
    """Return calls that record their number and take `pause` seconds, the last twice as long."""

    def call(number: int) -> None:
        seen.append(number)
        time.sleep(pause * (2 if number == n - 1 else 1))

    return [lambda number=number: call(number) for number in range(n)]


def test_the_calls_take_turns_in_changing_orders():
    """Each round makes every call once, in an order that varies."""
    seen: list[int] = []
    rounds = len(time_in_turns(calls_of(3, seen), CPU))
    turns = [tuple(seen[start : start + 3]) for start in range(0, len(seen), 3)]
    assert len(turns) == rounds + WARM_UP_ROUNDS
    assert {tuple(sorted(turn)) for turn in turns} == {(0, 1, 2)}
    assert len(set(turns)) == 6


def test_quick_calls_are_timed_often_and_no_longer():
    """The number of rounds is limited as well as the time."""
    assert time_in_turns(calls_of(2, []), CPU).shape == (MOST_ROUNDS, 2)


def test_slow_calls_are_timed_a_few_times(monkeypatch: pytest.MonkeyPatch):
    """At least three rounds are run, and each call has its own time."""
    monkeypatch.setattr(latency, "SECONDS_PER_CALL", 0.0)
    seconds = time_in_turns(calls_of(2, [], pause=0.02), CPU)
    assert seconds.shape == (LEAST_ROUNDS, 2)
    assert (seconds[:, 0] >= 0.02).all()
    assert (seconds[:, 1] >= 0.04).all()


def test_a_gpu_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    """The device is waited for before the clock starts and before it stops."""
    events: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: events.append("wait"))
    time_in_turns([lambda: events.append("call")], torch.device("cuda"))
    assert events == ["wait", "call", "wait"] * (WARM_UP_ROUNDS + MOST_ROUNDS)


def test_quartiles_are_those_of_the_values():
    """The quartiles of 1 to 5 are 2, 3 and 4."""
    assert Quartiles.of(np.array([5.0, 1.0, 4.0, 2.0, 3.0])) == Quartiles(2.0, 3.0, 4.0)
