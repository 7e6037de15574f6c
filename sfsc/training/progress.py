"""Progress for a person: a bar with the time left on a terminal, plain lines in a log file."""

import logging
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

LOGGER = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 15.0


class ProgressReport:
    """Reports the steps and validations of a training.

    On a terminal, log lines are written above the bar.

    Args:
        total: Steps of the whole training.
        done: Steps that a checkpoint already holds.
    """

    def __init__(self, *, total: int, done: int) -> None:
        self.total, self.done, self._first = total, done, done
        self._start = self._last_line = time.monotonic()
        self._map: float | None = None
        self._open = ExitStack()
        is_terminal = sys.stderr.isatty()
        if is_terminal:
            self._open.enter_context(logging_redirect_tqdm())
        self._bar = self._open.enter_context(
            tqdm(
                total=total,
                initial=done,
                unit="step",
                disable=not is_terminal,
                leave=False,
                dynamic_ncols=True,
            )
        )

    def step(self, epoch: int, losses: Sequence[float]) -> None:
        """Report one more step.

        Args:
            epoch: Number of the epoch, counted from 1.
            losses: Total loss of each sub-model.
        """
        self.done += 1
        shown = " ".join(f"{loss:.3f}" for loss in losses)
        if not self._bar.disable:
            validated = "" if self._map is None else f"  mAP {100 * self._map:.1f} %"
            self._bar.set_postfix_str(f"epoch {epoch}  loss {shown}{validated}", refresh=False)
            self._bar.update()
            return
        now = time.monotonic()
        if now - self._last_line < SECONDS_BETWEEN_LINES and self.done < self.total:
            return
        self._last_line = now
        seconds = (now - self._start) / (self.done - self._first) * (self.total - self.done)
        LOGGER.info(
            "epoch %d  step %d/%d  loss %s  %s left",
            epoch,
            self.done,
            self.total,
            shown,
            timedelta(seconds=round(seconds)),
        )

    def validated(self, epoch: int, average_map: float) -> None:
        """Report a validation.

        Args:
            epoch: Number of the epoch, counted from 1.
            average_map: Mean of the mAP matrix on the validation identities, 0 to 1.
        """
        self._map = average_map
        LOGGER.info("epoch %d  validation mAP %.1f %%", epoch, 100 * average_map)

    def close(self) -> None:
        """Remove the bar."""
        self._open.close()
