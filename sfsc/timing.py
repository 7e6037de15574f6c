"""Seconds of actual work in a stage's log; what `benchmarks/pipeline.py` sets against the rest."""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOGGER = logging.getLogger(__name__)


@contextmanager
def useful() -> Iterator[None]:
    """Log how long the block takes: evaluation itself, without imports, reading and writing."""
    start = time.monotonic()
    yield
    LOGGER.info("useful seconds: %.3f", time.monotonic() - start)


def read_useful_seconds(log: Path) -> float:
    """Return the seconds that a stage's log reports, 0 if it reports none.

    Args:
        log: The log file of one job.
    """
    found = re.findall(r"^useful seconds: (\d+\.\d+)$", log.read_text(), flags=re.MULTILINE)
    return sum(map(float, found))
