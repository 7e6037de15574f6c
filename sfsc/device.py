"""The processor that networks run on."""

import os

import torch

from sfsc.errors import ConfigError


def best_device() -> torch.device:
    """Return the GPU if there is one, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def named_device(name: str) -> torch.device:
    """Return the device of a training's process; with several, each has a GPU of its own.

    Args:
        name: `cpu` or `cuda`.

    Raises:
        ConfigError: If this machine has no such device.
    """
    if name == "cpu":
        return torch.device("cpu")
    index, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if index >= count:
        raise ConfigError(
            "`train.device` cuda needs a GPU that torch sees for each of `train.processes`, and a "
            f"build of torch for it. Found torch {torch.__version__} and {count} GPUs; install "
            "that build, lower `train.processes`, or set `train.device` to cpu."
        )
    return torch.device("cuda", index)
