"""Switchable residual backbones (He et al., arXiv 1512.03385; ResNeXt: Xie et al., 1611.05431)."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional

from sfsc.networks.backbone import Backbone
from sfsc.networks.switchable import SwitchableBatchNorm, SwitchableConv2d, Widths


class ConvNorm(nn.Module):
    """Convolution, then a batch norm for each sub-model; arguments as of `SwitchableConv2d`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        widths: Widths,
        stride: int = 1,
        groups: int = 1,
        crop_input: bool = True,
    ) -> None:
        super().__init__()
        self.conv = SwitchableConv2d(
            in_channels,
            out_channels,
            kernel_size,
            widths=widths,
            stride=stride,
            groups=groups,
            crop_input=crop_input,
        )
        self.norm = SwitchableBatchNorm(self.conv.out_channels)

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W') with sub-model `switch`'s weights."""
        y: Tensor = self.norm(self.conv(x, switch), switch)
        return y


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut.

    Args:
        in_channels: Input channels of the full network.
        out_channels: Output channels of the full network.
        stride: Stride of the first convolution.
        widths: Ascending crop ratios.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, widths: Widths) -> None:
        super().__init__()
        self.first = ConvNorm(in_channels, out_channels, 3, stride=stride, widths=widths)
        self.second = ConvNorm(out_channels, out_channels, 3, widths=widths)
        self.shortcut = _shortcut(in_channels, out_channels, stride, widths)

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W') with sub-model `switch`'s weights."""
        y = functional.relu(self.first(x, switch))
        y = self.second(y, switch)
        shortcut = x if self.shortcut is None else self.shortcut(x, switch)
        return functional.relu(y + shortcut)


class Bottleneck(nn.Module):
    """Convolutions of 1 x 1, 3 x 3 and 1 x 1, which reduce, filter and expand, and a shortcut.

    Differs from the paper: the 3 x 3 convolution has the stride, not the first one, as in the
    weights of torchvision and timm.

    Args:
        in_channels: Input channels of the full network.
        out_channels: Output channels of the full network.
        stride: Stride of the 3 x 3 convolution.
        widths: Ascending crop ratios; with `groups` > 1, each must keep whole groups.
        groups: Groups of the 3 x 3 convolution, 32 in ResNeXt-50.
        reduction: Ratio of output channels to inner channels.

    Raises:
        ValueError: If a sub-model would split a group.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        widths: Widths,
        groups: int = 1,
        reduction: int = 4,
    ) -> None:
        super().__init__()
        inner = out_channels // reduction
        self.reduce = ConvNorm(in_channels, inner, 1, widths=widths)
        self.spatial = ConvNorm(inner, inner, 3, stride=stride, groups=groups, widths=widths)
        self.expand = ConvNorm(inner, out_channels, 1, widths=widths)
        self.shortcut = _shortcut(in_channels, out_channels, stride, widths)

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W') with sub-model `switch`'s weights."""
        y = functional.relu(self.reduce(x, switch))
        y = functional.relu(self.spatial(y, switch))
        y = self.expand(y, switch)
        shortcut = x if self.shortcut is None else self.shortcut(x, switch)
        return functional.relu(y + shortcut)


def _shortcut(in_channels: int, out_channels: int, stride: int, widths: Widths) -> ConvNorm | None:
    """Return a 1 x 1 convolution if the block changes the shape of the map, otherwise None."""
    if stride == 1 and in_channels == out_channels:
        return None
    return ConvNorm(in_channels, out_channels, 1, stride=stride, widths=widths)


def limit_strides(strides: Sequence[int], reduction: int) -> list[int]:
    """Return the strides of stages, the last ones replaced by 1, so that they reduce no further.

    Args:
        strides: Stride of each stage.
        reduction: How many times smaller the map is to be after the stages.

    >>> limit_strides([1, 2, 2, 2], 4)
    [1, 2, 2, 1]
    """
    limited, reached = [], 1
    for stride in strides:
        limited.append(stride if reached < reduction else 1)
        reached *= limited[-1]
    return limited


class ResNet(Backbone):
    """A stem and stages of residual blocks.

    Args:
        image_channels: Channels of the images; every sub-model's stem keeps all of them.
        stem_channels: Output channels of the stem of the full network.
        channels: Output channels of each stage of the full network.
        blocks: Number of blocks in each stage.
        strides: Stride of the first block of each stage.
        large_stem: Whether the stem is the paper's 7 x 7 convolution and max-pooling, both of
            stride 2, instead of a 3 x 3 convolution of stride 1 for small images.
        widths: Ascending crop ratios.
        block: Builds a block from the arguments of `BasicBlock`.
    """

    def __init__(
        self,
        image_channels: int,
        *,
        stem_channels: int = 64,
        channels: Sequence[int],
        blocks: Sequence[int],
        strides: Sequence[int] = (1, 2, 2, 2),
        large_stem: bool,
        widths: Widths,
        block: Callable[..., nn.Module] = BasicBlock,
    ) -> None:
        super().__init__()
        kernel_size, stride = (7, 2) if large_stem else (3, 1)
        self.stem = ConvNorm(
            image_channels,
            stem_channels,
            kernel_size,
            stride=stride,
            widths=widths,
            crop_input=False,
        )
        self.large_stem = large_stem
        self.blocks = nn.ModuleList()
        previous = stem_channels
        for out_channels, count, stride in zip(channels, blocks, strides, strict=True):
            for index in range(count):
                first = stride if index == 0 else 1
                self.blocks.append(block(previous, out_channels, stride=first, widths=widths))
                previous = out_channels
        self.out_channels = previous

    def forward(self, images: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) images to sub-model `switch`'s feature map, (B, F, H', W')."""
        x = functional.relu(self.stem(images, switch))
        if self.large_stem:
            x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for block in self.blocks:
            x = block(x, switch)
        return x
