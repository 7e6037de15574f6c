"""Checkpoints that are safe to open, written whole, and checked before they are used.

A checkpoint is a pair: `epoch<e>.safetensors` with every tensor, and `epoch<e>.json` with the rest
and the tensors' digest. The JSON is written last, so that it vouches for the tensors; a pair whose
digest does not match is passed over for the one before it.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from sfsc.errors import ResultError
from sfsc.files import lock, replacing
from sfsc.provenance import digest_of

LOGGER = logging.getLogger(__name__)
KEPT = 2
"""Checkpoints kept: the last and, should it be damaged, the one before it."""


@dataclass(frozen=True)
class Progress:
    """Where a training stands; everything else follows from the seed and the epoch."""

    key: str
    """Identity of the training: digest of its settings, code and data."""
    epoch: int = 0
    """Epochs that are done."""
    stream_bytes: int = 0
    """Length of the record stream at that moment."""
    seconds: float = 0.0
    """Time spent so far."""
    useful_seconds: float = 0.0
    """The part of it spent in training steps and validation."""
    loss_scale: float = 1.0
    """The factor on the losses in fp16."""
    good_steps: int = 0
    """Steps since that factor was changed."""


@contextmanager
def own(folder: Path) -> Iterator[None]:
    """Own a folder of checkpoints: no other training may work, or write results, beside this one.

    Args:
        folder: The run's folder of checkpoints; made if it does not exist.

    Raises:
        ResultError: If another process owns it.
    """
    try:
        file = lock(folder / "lock")
    except BlockingIOError as error:
        raise ResultError(
            f"A training must have {folder} to itself. Found another one at work there, {error}. "
            "Wait until it ends, or stop it."
        ) from None
    with file:
        yield


def save_checkpoint(
    folder: Path, model: nn.Module, optimizer: Optimizer, progress: Progress
) -> None:
    """Write a checkpoint and drop all but the last `KEPT`.

    Args:
        folder: The run's folder of checkpoints.
        model: Its parameters and buffers are saved.
        optimizer: Its state is saved.
        progress: Where the training stands.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    path = folder / f"epoch{progress.epoch:05d}.safetensors"
    with replacing(path) as temporary:
        save_file(as_saved(tensors), temporary)
    with replacing(path.with_suffix(".json")) as temporary:
        content = {"sha256": digest_of(path), "progress": asdict(progress)}
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for old in sorted(folder.glob("epoch*.json"))[:-KEPT]:
        old.unlink()
        old.with_suffix(".safetensors").unlink(missing_ok=True)


def restore_checkpoint(
    folder: Path, model: nn.Module, optimizer: Optimizer, *, key: str
) -> Progress | None:
    """Load the newest usable checkpoint of this training into model and optimizer.

    A damaged checkpoint is reported and the one before it is used; one of another training (other
    settings, code or data) is reported and not used.

    Args:
        folder: The run's folder of checkpoints.
        model: Receives parameters and buffers.
        optimizer: Receives its state.
        key: Identity of the training.

    Returns:
        Where the checkpoint stands, or None if there is none to use.
    """
    for path, progress in _intact(folder):
        if progress.key != key:
            LOGGER.warning("Starting anew: %s is of other settings, code or data.", path)
            return None
        tensors = load_file(path)
        model.load_state_dict(_strip(tensors, "model."))
        _restore_optimizer(optimizer, _strip(tensors, "optimizer."))
        return progress
    return None


def as_saved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors on the CPU and contiguous, as safetensors needs them."""
    return {name: t.detach().cpu().contiguous() for name, t in tensors.items()}


def _intact(folder: Path) -> Iterator[tuple[Path, Progress]]:
    """Yield the checkpoints whose digest matches, newest first."""
    for meta in sorted(folder.glob("epoch*.json"), reverse=True):
        path = meta.with_suffix(".safetensors")
        try:
            content = json.loads(meta.read_text(encoding="utf-8"))
            progress = Progress(**content["progress"])
            is_intact = digest_of(path) == content["sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            is_intact = False
        if is_intact:
            yield path, progress
        else:
            LOGGER.warning("Checkpoint %s is damaged; trying the one before it.", path)


def _restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    fresh = optimizer.state_dict()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        like = parameters[int(index)]
        value = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({**fresh, "state": state})


def _strip(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
