"""ResNeXt-50 (32 x 4d) with a last stride of 1 (Xie et al., arXiv 1611.05431)."""

from functools import partial

from sfsc.networks.resnet import Bottleneck, ResNet
from sfsc.networks.switchable import Widths
from sfsc.settings.section import Part


class Settings(Part):
    """The backbone has no settings."""


def build(image_channels: int, widths: Widths) -> ResNet:
    """Return the network: ResNet-50 with twice the inner channels, in 32 groups.

    Raises:
        ValueError: If a width is not a multiple of 1/32 and would split a group.
    """
    return ResNet(
        image_channels,
        channels=(256, 512, 1024, 2048),
        blocks=(3, 4, 6, 3),
        strides=(1, 2, 2, 1),
        large_stem=True,
        widths=widths,
        block=partial(Bottleneck, groups=32, reduction=2),
    )
