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
from sfsc.data.workers import Workers

PIECE_VALUES = 2**19
"""Values of the images that a thread changes at once; as floats they fit in a cache."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the grey of kornia and Pillow (ITU-R BT.601)."""
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
        self._workers = Workers()

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
        moves, boxes, jitter = _moves(count, draws), _boxes(count, draws), draws.get(ColorJitter)
        changed = torch.empty(shape, device=packed.device, memory_format=torch.channels_last)

        def change(piece: slice) -> None:
            images = _moved(packed[piece], moves[piece]).permute(0, 3, 1, 2)
            if jitter:
                images = images.contiguous()  # by planes, which a weighted sum of channels is
            images = images.float().div_(255.0)
            if jitter:
                _jitter(images, piece, jitter)
            _erase(images, boxes[piece])
            changed[piece] = images.sub_(MEAN).div_(STD)

        if packed.device.type == "cpu":
            self._workers.run(change, _pieces(count, values=packed[0].numel()))
        else:
            change(slice(count))
        return changed


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


def _moved(images: Tensor, moves: list[Move]) -> Tensor:
    """Return images (n, H, W, C) mirrored and seen through a moved window, black beyond them."""
    moved = torch.zeros_like(images)
    for target, image, (is_mirrored, across, down) in zip(moved, images, moves, strict=True):
        to_rows, from_rows = _overlap(image.shape[0], down)
        to_columns, from_columns = _overlap(image.shape[1], across)
        source = image.flip(1) if is_mirrored else image
        target[to_rows, to_columns] = source[from_rows, from_columns]
    return moved


def _overlap(length: int, shift: int) -> tuple[slice, slice]:
    """Return where in a window moved by `shift` pixels an image appears, and what of it.

    >>> _overlap(10, 2)
    (slice(0, 8, None), slice(2, 10, None))
    """
    ahead, behind = min(max(shift, 0), length), min(max(-shift, 0), length)
    return slice(behind, length - ahead), slice(ahead, length - behind)


def _jitter(images: Tensor, piece: slice, draws: Draws) -> None:
    """Change brightness, contrast and saturation of (n, C, H, W) images in [0, 1]."""
    names = ("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
    for index in draws["order"].tolist():
        factor = draws[names[index]][piece].to(images.device, non_blocking=True).view(-1, 1, 1, 1)
        if index == 0:
            images.mul_(factor).clamp_(0.0, 1.0)
        elif index == 1:
            mean = _grey(images.mean((-2, -1), keepdim=True))
            images.mul_(factor).add_(mean * (1 - factor)).clamp_(0.0, 1.0)
        elif index == 2:
            grey = _grey(images)
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
