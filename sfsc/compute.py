"""How a process computes: its device, reproducible random numbers and kernels, its memory.

Every random choice has a name. A generator is seeded by the run's seed, its purpose and the epoch,
so that a resumed training draws what an uninterrupted one draws, and no checkpoint holds a
generator's state.
"""

import ctypes
import fcntl
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch
from threadpoolctl import threadpool_limits

from sfsc.errors import ConfigError

LOGGER = logging.getLogger(__name__)
_CLAIMS: list[IO[str]] = []
"""Lock files of the claimed GPUs; the system drops a lock when its process ends, in any way."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # bytes; glibc refuses more on 64-bit machines
_NEVER_TRIM = 2**30  # bytes at the end of the heap


def best_device() -> torch.device:
    """Return the GPU if there is one, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def named_device(name: str) -> torch.device:
    """Return the device of one process of a training, on a GPU that no other training uses.

    If all GPUs are in use, processes share them: rank k takes GPU k.

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
            "`train.device: cuda` needs one GPU for each of `train.processes` and a build of torch "
            f"with CUDA. Found torch {torch.__version__} and {count} GPUs; install such a build, "
            "lower `train.processes`, or set `train.device` to cpu."
        )
    device = torch.device("cuda", next(filter(_claim, range(count)), rank))
    torch.cuda.set_device(device)  # for streams and recordings, which name no device
    return device


def describe_device(device: torch.device) -> dict[str, str]:
    """Return the name of a GPU and the version of its CUDA, for a record; nothing of the CPU."""
    if device.type == "cpu":
        return {}
    return {"gpu": torch.cuda.get_device_name(device), "cuda": torch.version.cuda or ""}


def _claim(index: int) -> bool:
    """Claim a GPU until the process ends; return whether it was free."""
    path = Path(tempfile.gettempdir()) / f"sfsc-{os.getuid()}-gpu{index}.lock"
    file = path.open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _CLAIMS.append(file)
    return True


def seed_of(*key: object) -> int:
    """Return a 63-bit seed that depends on `key` only and is the same on every machine.

    >>> seed_of(0, "batches", 3) == seed_of(0, "batches", 3) != seed_of(0, "batches", 4)
    True
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_for(*key: object) -> torch.Generator:
    """Return a CPU generator seeded with `seed_of(*key)`.

    >>> first, second = (torch.rand(3, generator=generator_for(0, "crops")) for _ in range(2))
    >>> torch.equal(first, second)
    True
    """
    return torch.Generator().manual_seed(seed_of(*key))


def make_deterministic(threads: int, device: torch.device) -> None:
    """Make torch compute the same bits in every run on one machine.

    On a GPU, an operator without a deterministic kernel is logged once instead of refused.

    Args:
        threads: Threads of torch's operators and of numpy's matrix products; the order of a sum
            depends on their number.
        device: Where the process computes.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when a GPU is first used
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")
    torch.set_deterministic_debug_mode("error" if device.type == "cpu" else "warn")
    torch.backends.cudnn.allow_tf32 = False  # convolutions, too, compute in full float32
    # Attention by matrix products: the gradients of a GPU's fused kernels vary between runs.
    torch.backends.cuda.enable_mem_efficient_sdp(enabled=False)
    torch.backends.cuda.enable_cudnn_sdp(enabled=False)
    torch.backends.cuda.enable_flash_sdp(enabled=device.type == "cpu")
    # Filling new memory with NaN guards against reading it uninitialised, which nothing here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def keep_freed_memory() -> None:
    """Tell glibc's allocator to keep freed memory in the process.

    Each training step frees its activations and allocates the next step's. Pages returned to the
    system would be mapped and zeroed anew: thousands of page faults per step. With another C
    library, nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Log how long a block takes, as "<what> took 1.234 s".

    Args:
        what: What the block does, in one word.
    """
    start = time.monotonic()
    yield
    LOGGER.info("%s took %.3f s", what, time.monotonic() - start)
