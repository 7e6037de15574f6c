"""The processor that networks run on."""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

import torch

from sfsc.errors import ConfigError

_CLAIMS: list[IO[str]] = []
"""Open files: the system drops their locks when the process ends, however it does."""


def best_device() -> torch.device:
    """Return the GPU if there is one, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def named_device(name: str) -> torch.device:
    """Return the device of a training's process: a GPU that none has that trains beside it.

    Args:
        name: `cpu` or `cuda`.

    Raises:
        ConfigError: If this machine has no such device.
    """
    if name == "cpu":
        return torch.device("cpu")
    rank, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if rank >= count:
        raise ConfigError(
            "`train.device` cuda needs a GPU that torch sees for each of `train.processes`, and a "
            f"build of torch for it. Found torch {torch.__version__} and {count} GPUs; install "
            "that build, lower `train.processes`, or set `train.device` to cpu."
        )
    device = torch.device("cuda", next(filter(_claim, range(count)), rank))
    torch.cuda.set_device(device)  # of what names none: streams, recordings
    return device


def _claim(index: int) -> bool:
    """Claim a GPU until the process ends; return whether it was free."""
    path = Path(tempfile.gettempdir()) / f"sfsc-{os.getuid()}-gpu{index}.lock"
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _CLAIMS.append(file)
    return True
