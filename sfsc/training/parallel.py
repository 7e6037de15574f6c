"""One training in several processes: each takes a share of every batch.

Each process differentiates the sub-models on its share; the mean of these gradients, sub-model by
sub-model, is what all of them then aggregate alike, as conflicts of half a batch are not those of
the whole. One collective per step carries gradients, losses and the batch norms' statistics.

As everywhere in data parallelism a process normalises, and mines its triplets, within its share:
a share has whole identities. The mean over processes is exact for all other losses.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sfsc.errors import ConfigError
from sfsc.training.step import Gradients

TIMEOUT = timedelta(hours=6)
"""What the others wait for the first one, which validates and saves."""


class Processes:
    """The processes of a training.

    Args:
        rank: Which of them this one is; the first one writes the files.
        count: Number of processes.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank = rank
        self.count = count
        self._parent = os.getppid()

    def share(self, batch: Tensor) -> Tensor:
        """Return this process's part of a batch, (B,), whose identities lie side by side."""
        return batch.chunk(self.count)[self.rank]

    def average(self, gradients: Gradients, model: nn.Module) -> None:
        """Replace gradients, losses and running statistics by their means over the processes.

        Args:
            gradients: Of this process's share; changed.
            model: Its buffers change.
        """
        if self.count == 1:
            return
        if os.getppid() != self._parent:
            sys.exit("The launcher was killed; this process of its training stops, too.")
        tensors = [
            *(gradient for row in gradients.jacobian.rows for gradient in row.values()),
            *(value for objective in gradients.objectives for value in vars(objective).values()),
            *(buffer for buffer in model.buffers() if buffer.is_floating_point()),
        ]
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        try:
            dist.all_reduce(flat)
        except RuntimeError as error:
            found = " ".join(str(error).split())
            sys.exit(f"The processes of a training go on together. Found one lost: {found}")
        flat /= self.count
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


@contextmanager
def joined_processes(count: int, device: torch.device) -> Iterator[Processes]:
    """Yield the processes that share a training, this one among them.

    Args:
        count: As many as `train.processes` says.
        device: Of this process.

    Raises:
        ConfigError: If it was started with another number of processes.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != count:
        raise ConfigError(
            f"A training with `train.processes` {count} must run in {count} processes. Found "
            f"{started}; start `sfsc train` without torchrun, then it starts as many itself."
        )
    if count == 1:
        yield Processes()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        processes = Processes(dist.get_rank(), count)
        if processes.rank > 0:  # all would say the same
            logging.getLogger("sfsc").setLevel(logging.ERROR + 1)
        yield processes
    finally:
        dist.destroy_process_group()
