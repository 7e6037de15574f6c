"""MobileNetV2: inverted residuals with depthwise convolutions (Sandler et al., arXiv 1801.04381).

Differs from the paper: a sub-model also crops the last convolution, which the paper's width
multipliers below 1 leave at 1280 channels. Each sub-model must be the leading part of the next.
"""

from typing import Literal, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from sfsc.networks.backbone import Backbone
from sfsc.networks.resnet import ConvNorm, limit_strides
from sfsc.networks.switchable import Widths
from sfsc.settings.section import Part

STEM_CHANNELS = 32
LAST_CHANNELS = 1280


class Stage(NamedTuple):
    """A row of the paper's table 2, with its columns t, c, n, s."""

    expansion: int
    channels: int
    blocks: int
    stride: int


STAGES = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, linear projection; a shortcut if the map keeps its shape.

    Args:
        in_channels: Input channels of the full network.
        out_channels: Output channels of the full network.
        expansion: Ratio of inner to input channels; 1 omits the expansion.
        stride: Stride of the depthwise convolution.
        widths: Ascending crop ratios.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, expansion: int, stride: int, widths: Widths
    ) -> None:
        super().__init__()
        inner = expansion * in_channels
        self.expand = None
        if expansion > 1:
            self.expand = ConvNorm(in_channels, inner, 1, widths=widths)
        self.depthwise = ConvNorm(inner, inner, 3, stride=stride, groups=inner, widths=widths)
        self.project = ConvNorm(inner, out_channels, 1, widths=widths)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W') with sub-model `switch`'s weights."""
        y = x if self.expand is None else functional.relu6(self.expand(x, switch))
        y = functional.relu6(self.depthwise(y, switch))
        projected: Tensor = self.project(y, switch)
        return x + projected if self.has_shortcut else projected


class MobileNetV2(Backbone):
    """A stem, stages of inverted residuals and a last 1 x 1 convolution.

    Args:
        image_channels: Channels of the images; every sub-model's stem keeps all of them.
        reduction: How many times smaller the map is than the image, a power of 2 from 2 to 32. The
            last strides are left out: the large maps before the first ones take most of the time.
        widths: Ascending crop ratios.
    """

    def __init__(self, image_channels: int, *, reduction: int, widths: Widths) -> None:
        super().__init__()
        self.stem = ConvNorm(
            image_channels, STEM_CHANNELS, 3, stride=2, widths=widths, crop_input=False
        )
        self.blocks = nn.ModuleList()
        previous = STEM_CHANNELS
        strides = limit_strides([stage.stride for stage in STAGES], reduction // 2)
        for stage, stride in zip(STAGES, strides, strict=True):
            for index in range(stage.blocks):
                block = InvertedResidual(
                    previous,
                    stage.channels,
                    expansion=stage.expansion,
                    stride=stride if index == 0 else 1,
                    widths=widths,
                )
                self.blocks.append(block)
                previous = stage.channels
        self.last = ConvNorm(previous, LAST_CHANNELS, 1, widths=widths)
        self.out_channels = LAST_CHANNELS

    def forward(self, images: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) images to sub-model `switch`'s feature map, (B, F, H', W')."""
        x = functional.relu6(self.stem(images, switch))
        for block in self.blocks:
            x = block(x, switch)
        return functional.relu6(self.last(x, switch))


class Settings(Part):
    """MobileNetV2 for small or large images."""

    reduction: Literal[8, 16, 32] = 8
    """How many times smaller the last map is than the image. 8 suits images of 32 pixels, whose map
    is then 4 x 4; 32 is the paper's, for 224 pixels; 16 leaves out its last stride, as is usual in
    retrieval, for 96 pixels and more."""


def build(image_channels: int, widths: Widths, *, reduction: int = 8) -> MobileNetV2:
    """Return the network."""
    return MobileNetV2(image_channels, reduction=reduction, widths=widths)
