"""Training images are changed at random, each by itself."""

import numpy as np
import torch

from sfsc.config import Augmentation
from sfsc.data.augmentation import build_augmentation
from sfsc.data.transforms import to_unit

NOTHING = Augmentation(
    flip=False, rotation=0, translation=0, scale=(1, 1), shear=0, pad=0, colour=0, erasing=0
)
EVERYTHING = Augmentation(
    flip=True, rotation=10, translation=0.1, scale=(0.9, 1.1), shear=5, pad=3, colour=0.2, erasing=0.5
)


def test_no_augmentation_changes_nothing():
    """With everything off the images pass through."""
    images = torch.rand(4, 3, 8, 8)
    assert torch.equal(build_augmentation(NOTHING, (8, 8))(images), images)


def test_each_image_has_draws_of_its_own():
    """Equal images come out different, in range, and alike for the same seed."""
    images = torch.rand(1, 3, 16, 16).expand(6, -1, -1, -1).contiguous()
    augmentation = build_augmentation(EVERYTHING, (16, 16))
    torch.manual_seed(1)
    first = augmentation(images)
    torch.manual_seed(1)
    assert torch.equal(augmentation(images), first)
    assert len({tuple(x.flatten().tolist()) for x in first}) == 6
    assert first.min() >= 0
    assert first.max() <= 1


def test_grey_images_are_augmented_too():
    """One channel stays one channel."""
    section = EVERYTHING.model_copy(update={"colour": 0.0})
    images = to_unit(np.full((3, 8, 8, 1), 100, np.uint8))
    assert build_augmentation(section, (8, 8))(images).shape == (3, 1, 8, 8)


def test_padded_images_are_cropped_to_their_size():
    """Each image moves by at most the padding, and what comes in is black."""
    section = NOTHING.model_copy(update={"pad": 2})
    images = 1.0 + torch.arange(6 * 4).reshape(1, 1, 6, 4).float().expand(40, 3, -1, -1)
    torch.manual_seed(0)
    cropped = build_augmentation(section, (6, 4))(images / 100.0)
    assert cropped.shape == (40, 3, 6, 4)
    padded = torch.nn.functional.pad(images[0] / 100.0, (2, 2, 2, 2))
    windows = [padded[:, y : y + 6, x : x + 4] for y in range(5) for x in range(5)]
    found = {next(i for i, w in enumerate(windows) if torch.equal(w, crop)) for crop in cropped}
    assert len(found) > 10
