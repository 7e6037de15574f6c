"""Training images are changed at random, each by itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sfsc.data import sliced
from sfsc.data.augmentation import apply_modules, build_augmentation
from sfsc.data.transforms import normalise, to_unit

Changes = dict[str, Any]
SLICES: Changes = {"flip": True, "pad": 3, "erasing": 0.5}
EVERYTHING: Changes = {
    **SLICES, "rotation": 10, "translation": 0.1, "scale": (0.9, 1.1), "shear": 5, "colour": 0.2
}  # fmt: skip


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Let torch use two threads during a test."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def _random_images(count: int, *shape: int) -> Tensor:
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8)


def _change(changes: Changes, packed: Tensor, *, seed: int = 7) -> Tensor:
    torch.manual_seed(seed)
    height, width = packed.shape[1:3]
    return build_augmentation((height, width), **changes)(packed)


def _change_by_kornia(changes: Changes, packed: Tensor, *, seed: int = 7) -> Tensor:
    torch.manual_seed(seed)
    height, width = packed.shape[1:3]
    (steps,) = build_augmentation((height, width), **changes).args
    return apply_modules(steps, packed)


def test_no_augmentation_changes_nothing():
    """Without changes the images pass through."""
    packed = _random_images(4, 8, 8, 3)
    assert torch.equal(_change({}, packed), normalise(to_unit(packed)))


@pytest.mark.parametrize("changes", [EVERYTHING, SLICES])
def test_each_image_has_draws_of_its_own(changes: Changes):
    """Equal images come out different and in range; the same seed gives the same images."""
    packed = _random_images(1, 16, 16, 3).repeat(6, 1, 1, 1)
    first = _change(changes, packed)
    assert torch.equal(_change(changes, packed), first)
    assert len({tuple(x.flatten().tolist()) for x in first}) == 6
    assert first.min() >= -1
    assert first.max() <= 1


def test_an_affine_map_is_left_to_kornia():
    """With one, the result is that of kornia's modules bit for bit."""
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
def test_slices_are_kornias_images(channels: int, changes: Changes):
    """From the same draws kornia makes the same images, bit for bit."""
    packed = _random_images(20, 12, 6, channels)
    changed = _change(changes, packed)
    assert torch.equal(changed, _change_by_kornia(changes, packed))
    assert not torch.equal(changed, normalise(to_unit(packed)))
    assert changed.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("seed", range(4))  # of the order of brightness, contrast and saturation
def test_jittered_colours_are_kornias_up_to_rounding(channels: int, seed: int):
    """From the same draws, in the same order, with the same clamps."""
    changes = {**SLICES, "colour": 0.8}
    packed = _random_images(12, 10, 7, channels)
    changed = _change(changes, packed, seed=seed)
    expected = _change_by_kornia(changes, packed, seed=seed)
    torch.testing.assert_close(changed, expected, rtol=0, atol=2e-6)
    assert (expected == 1).any()  # something was clamped


@pytest.mark.usefixtures("two_threads")
def test_neither_threads_nor_pieces_change_an_image(monkeypatch: pytest.MonkeyPatch):
    """Piece by piece on two threads, or all at once: bit for bit the same; torch keeps its two."""
    changes = {**SLICES, "colour": 0.2}
    packed = _random_images(9, 16, 8, 3)
    whole = _change(changes, packed)
    monkeypatch.setattr(sliced, "PIECE_VALUES", 2 * 16 * 8 * 3)
    assert torch.equal(_change(changes, packed), whole)
    assert torch.get_num_threads() == 2


def test_padded_images_are_cropped_to_their_size():
    """Each image moves by at most the padding, and what comes in is black."""
    changes = {"pad": 2}
    packed = (1 + torch.arange(6 * 4, dtype=torch.uint8)).reshape(1, 6, 4, 1).repeat(40, 1, 1, 3)
    cropped = _change(changes, packed)
    assert cropped.shape == (40, 3, 6, 4)
    padded = torch.nn.functional.pad(to_unit(packed)[0], (2, 2, 2, 2))
    windows = [normalise(padded[:, y : y + 6, x : x + 4]) for y in range(5) for x in range(5)]
    found = {next(i for i, w in enumerate(windows) if torch.equal(w, crop)) for crop in cropped}
    assert len(found) > 10


def test_grey_images_are_augmented_too():
    """One channel stays one channel."""
    changes = {**EVERYTHING, "colour": 0.0}
    packed = torch.from_numpy(np.full((3, 8, 8, 1), 100, np.uint8))
    assert _change(changes, packed).shape == (3, 1, 8, 8)
