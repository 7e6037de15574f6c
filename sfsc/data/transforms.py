"""From packed images to what a network sees, a batch at a time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MEAN, STD = 0.5, 0.5
"""Of the normalisation; [0, 1] becomes [-1, 1]."""


def to_float(images: NDArray[np.uint8], device: torch.device | None = None) -> Tensor:
    """Return images as the network takes them.

    Args:
        images: Packed images, uint8, shape (B, H, W, C).
        device: Where they go; default: the CPU.

    Returns:
        Float32 in [-1, 1], shape (B, C, H, W), channels last in memory.
    """
    return normalise(to_unit(torch.from_numpy(np.ascontiguousarray(images)).to(device)))


def to_unit(packed: Tensor) -> Tensor:
    """Return packed images (B, H, W, C) as float32 in [0, 1], (B, C, H, W), channels last."""
    return packed.permute(0, 3, 1, 2).float() / 255.0


def normalise(images: Tensor) -> Tensor:
    """Return (B, C, H, W) images in [0, 1] as the network takes them."""
    return (images - MEAN) / STD
