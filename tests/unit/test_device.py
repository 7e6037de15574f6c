"""Torch computes on the GPU if there is one."""

import pytest
import torch

from sfsc.device import best_device


@pytest.mark.parametrize(("has_gpu", "name"), [(True, "cuda"), (False, "cpu")])
def test_the_gpu_is_the_best_device(has_gpu: bool, name: str, monkeypatch: pytest.MonkeyPatch):
    """Without one it is the processor."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert best_device() == torch.device(name)
