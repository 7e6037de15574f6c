"""From packed images to what a network sees, a batch at a time."""

import kornia.augmentation as kornia
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sfsc.config import Augmentation

MEAN, STD = 0.5, 0.5
"""Of the normalisation; [0, 1] becomes [-1, 1]."""


def to_float(images: NDArray[np.uint8]) -> Tensor:
    """Return images as the network takes them.

    Args:
        images: Packed images, uint8, shape (B, H, W, C).

    Returns:
        Float32 in [-1, 1], shape (B, C, H, W), channels last in memory.
    """
    return normalise(to_unit(images))


def to_unit(images: NDArray[np.uint8]) -> Tensor:
    """Return images as float32 in [0, 1], shape (B, C, H, W), channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255.0


def normalise(images: Tensor) -> Tensor:
    """Return (B, C, H, W) images in [0, 1] as the network takes them."""
    return (images - MEAN) / STD


def build_augmentation(section: Augmentation) -> nn.Module:
    """Return the random changes of a batch: (B, C, H, W) in [0, 1] to the same.

    Each image has draws of its own. The draws come from torch's global generator, which the
    training loop seeds at the start of an epoch.

    Args:
        section: What is changed and how much.
    """
    steps: list[nn.Module] = []
    if section.flip:
        steps.append(kornia.RandomHorizontalFlip(p=0.5))
    if section.rotation or section.translation or section.shear or section.scale != (1.0, 1.0):
        steps.append(
            kornia.RandomAffine(
                degrees=section.rotation,
                translate=(section.translation, section.translation),
                scale=section.scale,
                shear=section.shear,
                padding_mode="border",
                p=1.0,
            )
        )
    if section.colour:
        jitter = (section.colour,) * 3
        steps.append(kornia.ColorJitter(*jitter, hue=0.0, p=1.0))
    if section.erasing:
        steps.append(kornia.RandomErasing(p=section.erasing))
    return nn.Sequential(*steps)
