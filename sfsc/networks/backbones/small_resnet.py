"""A small residual network for images of about 32 pixels."""

from sfsc.networks.resnet import ResNet
from sfsc.networks.switchable import Widths
from sfsc.settings.section import Part


class Settings(Part):
    """The backbone has no settings."""


def build(image_channels: int, widths: Widths) -> ResNet:
    """Return the network: stages of 16, 32, 64 and 128 channels, one block each."""
    return ResNet(
        image_channels,
        stem_channels=16,
        channels=(16, 32, 64, 128),
        blocks=(1, 1, 1, 1),
        large_stem=False,
        widths=widths,
    )
