"""One training in several processes: each takes a share of every batch.

Each process differentiates the sub-models on its share. The gradients are averaged, sub-model by
sub-model, before they are aggregated: conflicts on half a batch are not those on the whole. One
collective per step carries gradients, losses and the batch norms' statistics.

As usual in data parallelism, a process normalises within its share and mines triplets there; a
share has whole identities. For all other losses the mean over processes is exact.
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
"""How long the others wait for the first one, which validates and saves."""


class Processes:
    """The processes of a training.

    Args:
        rank: Index of this process; the first one writes the files.
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
            gradients: On this process's share; changed in place.
            model: Its buffers change.
        """
        if not dist.is_initialized():
            return
        if os.getppid() != self._parent:
            sys.exit("The launcher of this training was killed; this process stops, too.")
        tensors = [
            *(gradient for row in gradients.jacobian.rows for gradient in row.values()),
            *(loss for o in gradients.objectives for loss in (o.total, *o.losses.values())),
            *(o.uncertainty for o in gradients.objectives),
            *(buffer for buffer in model.buffers() if buffer.is_floating_point()),
        ]
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        try:
            dist.all_reduce(flat)
        except RuntimeError as error:
            found = " ".join(str(error).split())
            sys.exit(f"All processes of a training must stay alive. Found one lost: {found}")
        flat /= self.count
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


@contextmanager
def joined_processes(count: int, device: torch.device) -> Iterator[Processes]:
    """Yield the processes that share a training, this one among them.

    Args:
        count: The setting `train.processes`.
        device: Device of this process.

    Raises:
        ConfigError: If it was started with another number of processes.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != count:
        raise ConfigError(
            f"A training with `train.processes` {count} must run in {count} processes. Found "
            f"{started}; start `sfsc train` without torchrun, then it starts as many itself."
        )
    if count == 1 and not dist.is_torchelastic_launched():
        yield Processes()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        processes = Processes(dist.get_rank(), count)
        if processes.rank > 0:  # all would log the same
            logging.getLogger("sfsc").setLevel(logging.ERROR + 1)
        yield processes
    finally:
        dist.destroy_process_group()
