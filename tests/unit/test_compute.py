"""Trainings get separate GPUs, freed memory is kept, and durations are logged."""

import ctypes
import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from sfsc import compute
from sfsc.compute import best_device, make_deterministic, named_device, timed


@pytest.mark.parametrize(("has_gpu", "name"), [(True, "cuda"), (False, "cpu")])
def test_the_gpu_is_the_best_device(has_gpu: bool, name: str, monkeypatch: pytest.MonkeyPatch):
    """Without a GPU it is the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert best_device() == torch.device(name)


@pytest.fixture
def current(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[torch.device]]:
    """A machine with two GPUs; yields the devices that torch is set to."""
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(compute, "_CLAIMS", [])
    yield chosen
    for claim in compute._CLAIMS:
        claim.close()


def test_trainings_side_by_side_have_a_gpu_each(current: list[torch.device]):
    """A claim ends with its process; if no GPU is free, the first is shared."""
    found = [named_device("cuda") for _ in range(3)]
    assert [one.index for one in found] == [0, 1, 0]
    assert current == found
    first, _ = compute._CLAIMS
    first.close()
    assert named_device("cuda") == torch.device("cuda", 0)


def test_a_process_of_several_keeps_to_its_rank_where_none_is_free(
    current: list[torch.device], monkeypatch: pytest.MonkeyPatch
):
    """If no GPU is free, each process of a training uses the GPU of its rank."""
    del current
    assert [named_device("cuda").index for _ in range(2)] == [0, 1]
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert named_device("cuda").index == 1


def test_a_training_on_the_cpu_claims_nothing(current: list[torch.device]):
    """A CPU training does not use the locks."""
    assert named_device("cpu") == torch.device("cpu")
    assert not compute._CLAIMS
    assert not current


def test_durations_are_logged(caplog: pytest.LogCaptureFixture):
    """The log has one line with the seconds."""
    with caplog.at_level(logging.INFO), timed("embedding"):
        pass
    (line,) = caplog.messages
    assert re.fullmatch(r"embedding took 0\.0\d\d s", line)


PROGRAM = """
import resource
import numpy as np
from sfsc.compute import keep_freed_memory

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
    """Pages of a freed block of 2 MB are reused by the next one."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    first, second = map(int, result.stdout.split())
    assert first > 300
    assert second < first / 10


def test_numpy_multiplies_with_as_many_threads_as_torch():
    """A job takes no more cores than its rule says."""

    def threads() -> set[int]:
        return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        assert max(threads()) == 2
        make_deterministic(1, torch.device("cpu"))
        assert threads() == {1}
