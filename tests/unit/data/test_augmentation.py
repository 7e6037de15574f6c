"""Training images are changed at random, each by itself."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sfsc.settings.sections import Augmentation
from sfsc.data import sliced
from sfsc.data.augmentation import build_augmentation, kornia_steps
from sfsc.data.transforms import normalise, to_unit

NOTHING = Augmentation(
    flip=False, rotation=0, translation=0, scale=(1, 1), shear=0, pad=0, colour=0, erasing=0
)
SLICES = NOTHING.model_copy(update={"flip": True, "pad": 3, "erasing": 0.5})
EVERYTHING = Augmentation(
    flip=True,
    rotation=10,
    translation=0.1,
    scale=(0.9, 1.1),
    shear=5,
    pad=3,
    colour=0.2,
    erasing=0.5,
)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Let torch use two threads during a test."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def _random_images(count: int, *shape: int) -> Tensor:
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8)


def _change(section: Augmentation, packed: Tensor) -> Tensor:
    torch.manual_seed(7)
    height, width = packed.shape[1:3]
    return build_augmentation(section, (height, width))(packed)


def _change_by_kornia(section: Augmentation, packed: Tensor) -> Tensor:
    torch.manual_seed(7)
    height, width = packed.shape[1:3]
    return normalise(nn.Sequential(*kornia_steps(section, (height, width)))(to_unit(packed)))


def test_no_augmentation_changes_nothing():
    """With everything off the images pass through."""
    packed = _random_images(4, 8, 8, 3)
    assert torch.equal(_change(NOTHING, packed), normalise(to_unit(packed)))


@pytest.mark.parametrize("section", [EVERYTHING, SLICES])
def test_each_image_has_draws_of_its_own(section: Augmentation):
    """Equal images come out different, in range, and alike for the same seed."""
    packed = _random_images(1, 16, 16, 3).repeat(6, 1, 1, 1)
    first = _change(section, packed)
    assert torch.equal(_change(section, packed), first)
    assert len({tuple(x.flatten().tolist()) for x in first}) == 6
    assert first.min() >= -1
    assert first.max() <= 1


def test_an_affine_map_is_left_to_kornia():
    """Bit for bit: sets with one are augmented as kornia's modules do it."""
    packed = _random_images(5, 16, 16, 3)
    assert torch.equal(_change(EVERYTHING, packed), _change_by_kornia(EVERYTHING, packed))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {"flip": True},
        {"pad": 2},
        {"pad": 9},  # more than the width
        {"erasing": 0.5},
        {"flip": True, "pad": 3, "erasing": 1.0},
    ],
)
def test_slices_are_kornias_images(channels: int, changes: dict[str, float]):
    """From the same draws kornia makes the same images, bit for bit."""
    section = NOTHING.model_copy(update=changes)
    packed = _random_images(20, 12, 6, channels)
    changed = _change(section, packed)
    assert torch.equal(changed, _change_by_kornia(section, packed))
    assert not torch.equal(changed, normalise(to_unit(packed)))
    assert changed.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("seed", range(4))  # of the order of brightness, contrast and saturation
def test_jittered_colours_are_kornias_up_to_rounding(channels: int, seed: int):
    """From the same draws, in the same order, with the same clamps."""
    section = SLICES.model_copy(update={"colour": 0.8})
    torch.manual_seed(seed)
    packed = _random_images(12, 10, 7, channels)
    augmentation, steps = build_augmentation(section, (10, 7)), kornia_steps(section, (10, 7))
    changed = augmentation(packed)
    torch.manual_seed(seed)
    _random_images(12, 10, 7, channels)
    expected = normalise(nn.Sequential(*steps)(to_unit(packed)))
    torch.testing.assert_close(changed, expected, rtol=0, atol=2e-6)
    assert (expected == 1).any()  # something was clamped


@pytest.mark.usefixtures("two_threads")
def test_neither_threads_nor_pieces_change_an_image(monkeypatch: pytest.MonkeyPatch):
    """Piece by piece on two threads, or all at once: bit for bit the same; torch keeps its two."""
    section = SLICES.model_copy(update={"colour": 0.2})
    packed = _random_images(9, 16, 8, 3)
    whole = _change(section, packed)
    monkeypatch.setattr(sliced, "PIECE_VALUES", 2 * 16 * 8 * 3)
    assert torch.equal(_change(section, packed), whole)
    assert torch.get_num_threads() == 2


def test_padded_images_are_cropped_to_their_size():
    """Each image moves by at most the padding, and what comes in is black."""
    section = NOTHING.model_copy(update={"pad": 2})
    packed = (1 + torch.arange(6 * 4, dtype=torch.uint8)).reshape(1, 6, 4, 1).repeat(40, 1, 1, 3)
    cropped = _change(section, packed)
    assert cropped.shape == (40, 3, 6, 4)
    padded = torch.nn.functional.pad(to_unit(packed)[0], (2, 2, 2, 2))
    windows = [normalise(padded[:, y : y + 6, x : x + 4]) for y in range(5) for x in range(5)]
    found = {next(i for i, w in enumerate(windows) if torch.equal(w, crop)) for crop in cropped}
    assert len(found) > 10


def test_grey_images_are_augmented_too():
    """One channel stays one channel."""
    section = EVERYTHING.model_copy(update={"colour": 0.0})
    packed = torch.from_numpy(np.full((3, 8, 8, 1), 100, np.uint8))
    assert _change(section, packed).shape == (3, 1, 8, 8)
