"""ResNet-50 with a last stride of 1, usual in retrieval (He et al., arXiv 1512.03385)."""

from sfsc.networks.resnet import Bottleneck, ResNet
from sfsc.networks.switchable import Widths
from sfsc.settings.section import Part


class Settings(Part):
    """The backbone has no settings."""


def build(image_channels: int, widths: Widths) -> ResNet:
    """Return the network: stages of 256, 512, 1024 and 2048 channels.

    The last feature map is 1/16 of the image's side: 16 x 8 for images of 256 x 128 pixels (Luo et
    al., arXiv 1903.07071, table 1: last stride).
    """
    return ResNet(
        image_channels,
        channels=(256, 512, 1024, 2048),
        blocks=(3, 4, 6, 3),
        strides=(1, 2, 2, 1),
        large_stem=True,
        widths=widths,
        block=Bottleneck,
    )
