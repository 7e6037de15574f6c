"""Threads for work on small tensors."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")


class Workers:
    """As many threads as torch uses, each running its operators on its own.

    An operator that torch spreads over threads ends when the slowest of them does. On small tensors
    that waiting is most of the time, and where other processes want the cores, nearly all of it.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def run(self, work: Callable[[Item], object], items: Iterable[Item]) -> None:
        """Call `work` with each item, side by side.

        Args:
            work: Must not depend on the order of the calls.
            items: Its arguments.
        """
        threads = torch.get_num_threads()
        if threads == 1:
            for item in items:
                work(item)
            return
        if self._pool is None:
            self._pool = _start(threads)
        for _ in self._pool.map(work, items):
            pass


def _start(threads: int) -> ThreadPoolExecutor:
    """Start all threads at once: the number that each sets for itself is also torch's default."""
    started = threading.Barrier(threads + 1)

    def keep_to_itself() -> None:
        torch.get_num_threads()  # a thread's first call sets its number to the default
        torch.set_num_threads(1)
        started.wait()

    pool = ThreadPoolExecutor(threads, initializer=keep_to_itself)
    for _ in range(threads):
        pool.submit(int)  # a thread starts when none is idle, and none is before the barrier
    started.wait()
    torch.set_num_threads(threads)
    return pool
