"""Random changes of training images, drawn for each image of each batch."""

from functools import partial

import kornia.augmentation as kornia
from torch import Tensor, nn

from sfsc.data.sliced import apply_draws
from sfsc.data.transforms import normalise, to_unit

Augment = partial[Tensor]
"""Maps packed images, uint8 (B, H, W, C), to what a network takes, float32 (B, C, H, W)."""


def build_augmentation(
    image_size: tuple[int, int],
    *,
    flip: bool = False,
    rotation: float = 0.0,
    translation: float = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    shear: float = 0.0,
    pad: int = 0,
    colour: float = 0.0,
    erasing: float = 0.0,
) -> Augment:
    """Return the random changes of a batch of packed images; by default there are none.

    kornia draws the changes of each image from torch's global generator, which the training loop
    seeds at the start of an epoch. The result is on the device of the packed images.

    Args:
        image_size: H and W.
        flip: Mirror horizontally with probability 0.5.
        rotation: Largest rotation, degrees.
        translation: Largest shift, as a share of the image side.
        scale: Range of the zoom.
        shear: Largest shear, degrees.
        pad: Black pixels added on each side before a random crop of the image's size.
        colour: Largest relative jitter of brightness, contrast and saturation.
        erasing: Probability of random erasing.
    """
    steps: list[kornia.AugmentationBase2D] = []
    if flip:
        steps.append(kornia.RandomHorizontalFlip(p=0.5))
    is_affine = bool(rotation or translation or shear or scale != (1.0, 1.0))
    if is_affine:
        steps.append(
            kornia.RandomAffine(
                degrees=rotation,
                translate=(translation, translation),
                scale=scale,
                shear=shear,
                padding_mode="border",
                p=1.0,
            )
        )
    if pad:
        steps.append(kornia.RandomCrop(image_size, padding=pad))
    if colour:
        steps.append(kornia.ColorJitter(colour, colour, colour, hue=0.0, p=1.0))
    if erasing:
        steps.append(kornia.RandomErasing(p=erasing))
    return partial(apply_modules if is_affine else apply_draws, steps)


def apply_modules(steps: list[kornia.AugmentationBase2D], packed: Tensor) -> Tensor:
    """Draw the changes of packed images (B, H, W, C) and apply them by kornia's modules."""
    return normalise(nn.Sequential(*steps)(to_unit(packed)))
