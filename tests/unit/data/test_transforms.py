"""Packed images become what a network sees."""

import numpy as np
import torch

from sfsc.data.transforms import to_float


def test_to_float_normalises_and_moves_the_channels():
    """0 becomes -1, 255 becomes 1, and the memory stays channels last."""
    images = np.zeros((2, 4, 5, 3), np.uint8)
    images[..., 1] = 255
    x = to_float(images)
    assert x.shape == (2, 3, 4, 5)
    assert x[:, 0].eq(-1).all()
    assert x[:, 1].eq(1).all()
    assert x.is_contiguous(memory_format=torch.channels_last)
