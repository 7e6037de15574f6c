"""Flip, pad and crop, colour jitter and random erasing of packed images, without interpolation.

kornia's definitions and kornia's draws, applied such that little memory moves: what only moves
pixels is done on bytes, a few images at a time pass through the rest while they are in a cache, and
the last step writes them as the network takes them.
"""

from collections.abc import Sequence

import torch
from kornia.augmentation import (
    AugmentationBase2D,
    ColorJitter,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
)
from torch import Tensor

from sfsc.data.transforms import MEAN, STD

PIECE_VALUES = 2**20
"""Values of the images that a processor changes at once; as floats they fit in its last cache."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the grey of kornia and Pillow (ITU-R BT.601)."""
JITTERED = ("brightness", "contrast", "saturation", "hue")
"""What kornia's number of a change of colours means; hues stay."""
Draws = dict[str, Tensor]
"""kornia's parameters of one change, a row per image."""
Move = tuple[bool, int, int]
"""Whether an image is mirrored, and by how many pixels its window then moves, across and down."""
Box = tuple[int, int, int, int]
"""Left, top, width and height."""


class Sliced:
    """The changes of a batch.

    Args:
        steps: Modules of kornia whose changes need no interpolation. They are drawn from, in this
            order, and not called.
    """

    def __init__(self, steps: Sequence[AugmentationBase2D]) -> None:
        self._steps = steps

    def __call__(self, packed: Tensor) -> Tensor:
        """Draw changes and apply them.

        Args:
            packed: uint8, (B, H, W, C).

        Returns:
            Float32 in [-1, 1], (B, C, H, W), channels last in memory, on the device of `packed`.
        """
        count, height, width, channels = packed.shape
        shape = torch.Size((count, channels, height, width))
        draws: dict[type, Draws] = {type(s): s.forward_parameters(shape) for s in self._steps}
        moves, boxes, jitter = _moves(count, draws), _boxes(count, draws), _factors(packed, draws)
        # By planes for the sake of weighted sums of channels.
        order = torch.contiguous_format if jitter else torch.channels_last
        changed = torch.empty(shape, device=packed.device, memory_format=torch.channels_last)

        is_cached = packed.device.type == "cpu"
        for piece in _pieces(count, values=packed[0].numel()) if is_cached else [slice(count)]:
            images = _moved(packed[piece].permute(0, 3, 1, 2), moves[piece], order)
            images = images.float().div_(255.0)
            for name, factors in jitter.items():
                _jitter(images, name, factors[piece])
            _erase(images, boxes[piece])
            _write_normalised(images, changed[piece])
        return changed


def _write_normalised(images: Tensor, output: Tensor) -> None:
    """Write (x - mean) / std, with 0.5 and 0.5 to the bit, of images in whatever memory order."""
    images.div_(STD)
    if images.is_contiguous(memory_format=torch.channels_last):
        torch.sub(images, MEAN / STD, out=output)
        return
    for source, target in zip(images.unbind(1), output.unbind(1), strict=True):
        torch.sub(source, MEAN / STD, out=target)  # twice as fast as all planes at once


def _pieces(count: int, *, values: int) -> list[slice]:
    """Return the positions of the images that are changed at once, each of so many values."""
    size = max(1, PIECE_VALUES // values)
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def _moves(count: int, draws: dict[type, Draws]) -> list[Move]:
    flips, corners = [0.0] * count, [[0.0, 0.0]] * count
    if RandomHorizontalFlip in draws:
        flips = draws[RandomHorizontalFlip]["batch_prob"].tolist()
    if RandomCrop in draws:
        crop = draws[RandomCrop]
        # The corners of the window on the padded canvas begin with x and y; padding is left, right,
        # top, bottom.
        corners = (crop["src"][:, 0] - crop["padding_size"][:, ::2]).tolist()
    return [(bool(f), int(x), int(y)) for f, (x, y) in zip(flips, corners, strict=True)]


def _moved(images: Tensor, moves: list[Move], order: torch.memory_format) -> Tensor:
    """Return images (n, C, H, W) mirrored and seen through a moved window, black beyond them."""
    moved = torch.zeros_like(images, memory_format=order)
    for target, image, (is_mirrored, across, down) in zip(moved, images, moves, strict=True):
        to_rows, from_rows = _overlap(image.shape[1], down)
        to_columns, from_columns = _overlap(image.shape[2], across)
        source = image.flip(2) if is_mirrored else image
        target[:, to_rows, to_columns] = source[:, from_rows, from_columns]
    return moved


def _overlap(length: int, shift: int) -> tuple[slice, slice]:
    """Return where in a window moved by `shift` pixels an image appears, and what of it.

    >>> _overlap(10, 2)
    (slice(0, 8, None), slice(2, 10, None))
    """
    ahead, behind = min(max(shift, 0), length), min(max(-shift, 0), length)
    return slice(behind, length - ahead), slice(ahead, length - behind)


def _factors(packed: Tensor, draws: dict[type, Draws]) -> Draws:
    """Return the factors of the colours, (B, 1, 1, 1), by what they change, in its order."""
    if ColorJitter not in draws:
        return {}
    jitter = draws[ColorJitter]
    names = [JITTERED[index] for index in jitter["order"].tolist()]
    return {
        name: jitter[f"{name}_factor"].to(packed.device, non_blocking=True).view(-1, 1, 1, 1)
        for name in names
        if name != "hue"
    }


def _jitter(images: Tensor, name: str, factor: Tensor) -> None:
    """Change brightness, contrast or saturation of (n, C, H, W) images in [0, 1]."""
    if name == "brightness":
        images.mul_(factor).clamp_(0.0, 1.0)
        return
    grey = _grey(images if name == "saturation" else images.mean((-2, -1), keepdim=True))
    images.mul_(factor).add_(grey.mul_(1 - factor)).clamp_(0.0, 1.0)


def _grey(images: Tensor) -> Tensor:
    """Return the luma (n, 1, H, W) of images of one or three channels."""
    if images.shape[1] == 1:
        return images.clone()
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    return red.mul(LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def _boxes(count: int, draws: dict[type, Draws]) -> list[Box | None]:
    if RandomErasing not in draws:
        return [None] * count
    erasing = draws[RandomErasing]
    sides = torch.stack([erasing[name] for name in ("xs", "ys", "widths", "heights")], dim=1)
    chosen = erasing["batch_prob"].tolist()
    return [tuple(box) if c else None for c, box in zip(chosen, sides.long().tolist(), strict=True)]


def _erase(images: Tensor, boxes: list[Box | None]) -> None:
    """Blacken a rectangle of some images."""
    for image, box in zip(images, boxes, strict=True):
        if box:
            left, top, width, height = box
            image[:, top : top + height, left : left + width] = 0.0
