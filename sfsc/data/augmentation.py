"""Random changes of a training batch. Apart from `transforms`: embedding needs no kornia."""

import kornia.augmentation as kornia
from torch import nn

from sfsc.config import Augmentation


def build_augmentation(section: Augmentation, image_size: tuple[int, int]) -> nn.Module:
    """Return the random changes of a batch: (B, C, H, W) in [0, 1] to the same.

    Each image has draws of its own. The draws come from torch's global generator, which the
    training loop seeds at the start of an epoch.

    Args:
        section: What is changed and how much.
        image_size: H and W.
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
    if section.pad:
        steps.append(kornia.RandomCrop(image_size, padding=section.pad))
    if section.colour:
        jitter = (section.colour,) * 3
        steps.append(kornia.ColorJitter(*jitter, hue=0.0, p=1.0))
    if section.erasing:
        steps.append(kornia.RandomErasing(p=section.erasing))
    return nn.Sequential(*steps)
