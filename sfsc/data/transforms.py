"""From packed images to the input of a network, a batch at a time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MEAN, STD = 0.5, 0.5
"""Mean and standard deviation of the normalisation: [0, 1] becomes [-1, 1]."""


def to_float(images: NDArray[np.uint8], device: torch.device | None = None) -> Tensor:
    """Return packed images as a network takes them.

    Args:
        images: uint8, shape (B, H, W, C).
        device: Device of the result; the CPU by default.

    Returns:
        Float32 in [-1, 1], shape (B, C, H, W), channels last in memory.
    """
    return normalise(to_unit(torch.from_numpy(np.ascontiguousarray(images)).to(device)))


def to_unit(packed: Tensor) -> Tensor:
    """Return packed images (B, H, W, C) as float32 in [0, 1], (B, C, H, W), channels last."""
    return packed.permute(0, 3, 1, 2).float() / 255.0


def normalise(images: Tensor) -> Tensor:
    """Return images (B, C, H, W) in [0, 1], normalised to [-1, 1]."""
    return (images - MEAN) / STD
