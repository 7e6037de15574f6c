"""What glibc's allocator does with the large blocks that each step frees and asks for again."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # bytes; glibc refuses more on 64-bit machines
_NEVER_TRIM = 2**30  # bytes at the heap's end


def keep_freed_memory() -> None:
    """Keep freed memory in the process instead of giving it back to the system after each use.

    A step frees and takes the same activations again; returned pages would have to be mapped and
    zeroed each time, thousands of page faults a step. Where the C library is another one, nothing
    changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)
