"""ResNet-18 with its convolutional stem (He et al., arXiv 1512.03385)."""

from typing import Literal

from sfsc.networks.resnet import ResNet, limit_strides
from sfsc.networks.switchable import Widths
from sfsc.settings.section import Part


class Settings(Part):
    """ResNet-18 for large or small images."""

    reduction: Literal[8, 16, 32] = 32
    """How many times smaller the last map is than the image. 32 is the paper's; 16 leaves out the
    last stride, as is usual in retrieval; 8 leaves out the last two."""


def build(image_channels: int, widths: Widths, *, reduction: int = 32) -> ResNet:
    """Return the network: stages of 64, 128, 256 and 512 channels, two blocks each."""
    return ResNet(
        image_channels,
        channels=(64, 128, 256, 512),
        blocks=(2, 2, 2, 2),
        strides=limit_strides([1, 2, 2, 2], reduction // 4),
        large_stem=True,
        widths=widths,
    )
