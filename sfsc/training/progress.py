"""Progress for a person: a bar with the time left on a terminal, plain lines in a log file."""

import logging
import sys
import time
from collections.abc import Sequence
from datetime import timedelta

from tqdm import tqdm

LOGGER = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 15.0


class ProgressReport:
    """Reports the steps of a training.

    Args:
        total: Steps of the whole training.
        done: Steps that a checkpoint already holds.
    """

    def __init__(self, *, total: int, done: int) -> None:
        self.total, self.done, self._first = total, done, done
        self._start = self._last_line = time.monotonic()
        self._bar = tqdm(
            total=total, initial=done, unit="step", disable=not sys.stderr.isatty(), leave=False
        )

    def step(self, epoch: int, losses: Sequence[float]) -> None:
        """Report one more step.

        Args:
            epoch: Number of the epoch, counted from 1.
            losses: Total loss of each sub-model.
        """
        self.done += 1
        self._bar.update()
        now = time.monotonic()
        if not self._bar.disable or (
            now - self._last_line < SECONDS_BETWEEN_LINES and self.done < self.total
        ):
            return
        self._last_line = now
        seconds = (now - self._start) / (self.done - self._first) * (self.total - self.done)
        LOGGER.info(
            "epoch %d  step %d/%d  loss %s  %s left",
            epoch,
            self.done,
            self.total,
            " ".join(f"{loss:.3f}" for loss in losses),
            timedelta(seconds=round(seconds)),
        )

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()
