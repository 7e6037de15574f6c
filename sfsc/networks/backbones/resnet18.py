"""ResNet-18 with its convolutional stem (He et al., arXiv 1512.03385)."""

from sfsc.networks.resnet import ResNet
from sfsc.networks.switchable import Widths
from sfsc.settings.section import Part


class Settings(Part):
    """The backbone has no settings."""


def build(image_channels: int, widths: Widths) -> ResNet:
    """Return the network: stages of 64, 128, 256 and 512 channels, two blocks each."""
    return ResNet(
        image_channels,
        channels=(64, 128, 256, 512),
        blocks=(2, 2, 2, 2),
        large_stem=True,
        widths=widths,
    )
