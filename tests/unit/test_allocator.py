"""Freed memory stays in the process."""

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from sfsc.allocator import keep_freed_memory

keep_freed_memory()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(250_000)  # 2 MB, given back at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first, second = faults(), faults()
print(first, second)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc: no mallopt"
)
def test_a_large_block_is_mapped_once():
    """The second time that 2 MB are taken and freed, their pages are still there."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    first, second = map(int, result.stdout.split())
    assert first > 300
    assert second < first / 10
