"""kornia's flip, crop, colour jitter and erasing, several times as fast on a processor.

The draws and the definitions are kornia's. The result is the same bit for bit, except that a jitter
of colours differs in the last bits. This file exists because kornia's modules are too slow for
`benchmarks.loading`: of the 5,000 images of 256 x 128 pixels a second that it requires of two
cores, one core changes 1,360 by kornia and 4,800 by this file, or 2,070 and 11,000 without jitter.
Pixels are moved as bytes, and a few images at a time are changed while they are in the cache.

An affine map interpolates between pixels and is left to kornia.
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
from torch.nn import functional

from sfsc.data.transforms import MEAN, STD

PIECE_VALUES = 2**20
"""Number of pixel values that a processor changes at once: as floats they fit in its cache."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the grey of kornia and Pillow (ITU-R BT.601)."""
JITTERED = ("brightness", "contrast", "saturation", "hue")
"""The changes of colour in the order of kornia's numbers. Hue is never changed here."""
Draws = dict[str, Tensor]
"""kornia's parameters of one change, a row per image."""


def apply_draws(steps: Sequence[AugmentationBase2D], packed: Tensor) -> Tensor:
    """Draw the changes of a batch and apply them.

    Args:
        steps: The modules of kornia, in the order of the title. They draw the changes and are not
            called.
        packed: uint8, (B, H, W, C).

    Returns:
        Float32 in [-1, 1], (B, C, H, W), channels last in memory, on the device of `packed`.
    """
    count, height, width, channels = packed.shape
    shape = torch.Size((count, channels, height, width))
    draws: dict[type, Draws] = {type(step): step.forward_parameters(shape) for step in steps}
    factors = _factors(draws.get(ColorJitter), packed.device)
    # Sums over channels are fastest on planes, all else on the memory order of the result.
    order = torch.contiguous_format if factors else torch.channels_last
    changed = torch.empty(shape, device=packed.device, memory_format=torch.channels_last)
    size = max(1, PIECE_VALUES // packed[0].numel()) if packed.device.type == "cpu" else count
    for piece in (slice(first, first + size) for first in range(0, count, size)):
        moved = _flip(packed[piece], draws.get(RandomHorizontalFlip), piece)
        moved = _crop(moved, draws.get(RandomCrop), piece)
        images = moved.permute(0, 3, 1, 2).to(torch.float32, memory_format=order).div_(255.0)
        for name, factor in factors.items():
            _jitter(images, name, factor[piece])
        _erase(images, draws.get(RandomErasing), piece)
        changed[piece] = images.sub_(MEAN).div_(STD)
    return changed


def _flip(packed: Tensor, draws: Draws | None, piece: slice) -> Tensor:
    """Mirror some of the packed images (n, H, W, C)."""
    if draws is None:
        return packed
    chosen = draws["batch_prob"][piece].tolist()
    return torch.stack([i.flip(1) if c else i for i, c in zip(packed, chosen, strict=True)])


def _crop(packed: Tensor, draws: Draws | None, piece: slice) -> Tensor:
    """Pad packed images (n, H, W, C) with black, and cut a window of their size out of each."""
    if draws is None:
        return packed
    height, width = packed.shape[1:3]
    pad = int(draws["padding_size"][0, 0])  # the same on all sides
    padded = functional.pad(packed, (0, 0, pad, pad, pad, pad))
    corners = draws["src"][piece, 0].long().tolist()  # the first is the upper left one
    windows = zip(padded, corners, strict=True)
    return torch.stack([image[y : y + height, x : x + width] for image, (x, y) in windows])


def _factors(draws: Draws | None, device: torch.device) -> Draws:
    """Return the factors (B, 1, 1, 1) of each change of colours, in the order of the changes."""
    if draws is None:
        return {}
    names = [JITTERED[number] for number in draws["order"].tolist()]
    return {
        name: draws[f"{name}_factor"].to(device, non_blocking=True).view(-1, 1, 1, 1)
        for name in names
        if name != "hue"
    }


def _jitter(images: Tensor, name: str, factor: Tensor) -> None:
    """Change brightness, contrast or saturation of images (n, C, H, W) in [0, 1], in place."""
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


def _erase(images: Tensor, draws: Draws | None, piece: slice) -> None:
    """Blacken a rectangle of some images (n, C, H, W), in place."""
    if draws is None:
        return
    sides = torch.stack([draws[name] for name in ("xs", "ys", "widths", "heights")], dim=1).long()
    chosen = draws["batch_prob"][piece].tolist()
    for image, is_chosen, box in zip(images, chosen, sides[piece].tolist(), strict=True):
        if is_chosen:
            left, top, width, height = box
            image[:, top : top + height, left : left + width] = 0.0
