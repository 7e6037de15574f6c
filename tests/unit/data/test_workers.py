"""Threads that run their operators on their own."""

import threading

import pytest
import torch

from sfsc.data.workers import Workers


@pytest.mark.parametrize("threads", [1, 2])
def test_each_item_is_worked_on_and_operators_stay_on_their_thread(threads: int):
    """All items, side by side where torch has threads; in none of them does torch use more."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        seen: list[tuple[int, int, int]] = []
        meet = threading.Barrier(threads)

        def work(item: int) -> None:
            meet.wait(timeout=30)
            seen.append((item, torch.get_num_threads(), threading.get_ident()))

        Workers().run(work, range(8))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert sorted(item for item, *_ in seen) == list(range(8))
    assert {count for _, count, _ in seen} == {1}
    assert len({thread for *_, thread in seen}) == threads


@pytest.mark.parametrize("threads", [1, 2])
def test_a_mistake_in_a_thread_is_raised(threads: int):
    """The caller hears of it."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with pytest.raises(ZeroDivisionError):
            Workers().run(lambda item: 1 // item, [1, 0])
    finally:
        torch.set_num_threads(before)
