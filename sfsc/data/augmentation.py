"""Random changes of a training batch. Apart from `transforms`: embedding needs no kornia.

kornia draws them. It also applies them where one is an affine map, which interpolates; without one,
as in the field's recipe for persons and vehicles, `Sliced` applies the same draws by slices and
scalings, several times faster.
"""

from collections.abc import Callable

import kornia.augmentation as kornia
from torch import Tensor, nn

from sfsc.settings.sections import Augmentation
from sfsc.data.sliced import Sliced
from sfsc.data.transforms import normalise, to_unit

Augment = Callable[[Tensor], Tensor]
"""From packed images, uint8, (B, H, W, C), to what a network takes, (B, C, H, W)."""


def build_augmentation(section: Augmentation, image_size: tuple[int, int]) -> Augment:
    """Return the random changes of a batch of packed images.

    Each image has draws of its own. They come from torch's global generator, which the training
    loop seeds at the start of an epoch. The changed images are on the device of the packed ones.

    Args:
        section: What is changed and how much.
        image_size: H and W.
    """
    steps = kornia_steps(section, image_size)
    if any(isinstance(step, kornia.RandomAffine) for step in steps):
        in_turn = nn.Sequential(*steps)
        return lambda packed: normalise(in_turn(to_unit(packed)))
    return Sliced(steps)


def kornia_steps(
    section: Augmentation, image_size: tuple[int, int]
) -> list[kornia.AugmentationBase2D]:
    """Return the random changes as modules of kornia, each (B, C, H, W) in [0, 1] to the same.

    Args:
        section: What is changed and how much.
        image_size: H and W.
    """
    steps: list[kornia.AugmentationBase2D] = []
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
    return steps
