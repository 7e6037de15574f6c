"""Every test starts from the same random state and computes deterministically."""

import os

import pytest
import torch

os.environ.setdefault("DO_NOT_TRACK", "true")
torch.set_num_threads(1)  # for fixtures of the session, too, which are made before those of a test


@pytest.fixture(autouse=True)
def _reproducible():
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)
