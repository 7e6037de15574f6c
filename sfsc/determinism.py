"""Every random choice has a name: generators seeded by what they are for, no hidden state.

A generator is a function of the run's seed, its purpose and the epoch. A resumed training thus
draws what the uninterrupted one drew, without a generator's state in the checkpoint.
"""

import hashlib
import os

import torch


def seed_of(*key: object) -> int:
    """Return a 63-bit seed that is a function of `key` on every machine.

    >>> seed_of(0, "batches", 3) == seed_of(0, "batches", 3) != seed_of(0, "batches", 4)
    True
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_for(*key: object) -> torch.Generator:
    """Return a CPU generator seeded with `seed_of(*key)`."""
    return torch.Generator().manual_seed(seed_of(*key))


def make_deterministic(threads: int, device: torch.device) -> None:
    """Let torch compute the same bits in every run on a machine.

    On a GPU as far as its operators can: one that cannot says so once in the log.

    Args:
        threads: Threads of torch's operators; a sum's order of addition depends on their number.
        device: What computes.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when a GPU is first used
    torch.set_num_threads(threads)
    # What `use_deterministic_algorithms` does, but for importing a compiler that takes a second.
    torch.set_deterministic_debug_mode("error" if device.type == "cpu" else "warn")
    torch.backends.cudnn.allow_tf32 = False  # float32 is float32 of convolutions, too
    # Attention by matrix products: the gradients of a GPU's fused kernels vary.
    torch.backends.cuda.enable_mem_efficient_sdp(enabled=False)
    torch.backends.cuda.enable_cudnn_sdp(enabled=False)
    torch.backends.cuda.enable_flash_sdp(enabled=device.type == "cpu")
    # It would also fill all new memory with NaN, for operators that read what nobody wrote: none.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
