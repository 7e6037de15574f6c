"""Switchable residual backbones of basic blocks (He et al., arXiv 1512.03385)."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from sfsc.networks.backbone import Backbone
from sfsc.networks.switchable import SwitchableBatchNorm, SwitchableConv2d, Widths


class ConvNorm(nn.Module):
    """Convolution and its private batch norms; the arguments are `SwitchableConv2d`'s."""

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
        """Convolve and normalise (B, C, H, W) in sub-model `switch`."""
        y: Tensor = self.norm(self.conv(x, switch), switch)
        return y


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut around them.

    Args:
        in_channels: Input channels of the full network.
        out_channels: Output channels of the full network.
        stride: Stride of the first convolution; where the map's shape changes, the shortcut is a
            1 x 1 convolution.
        widths: Ascending crop ratios.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, widths: Widths) -> None:
        super().__init__()
        self.first = ConvNorm(in_channels, out_channels, 3, stride=stride, widths=widths)
        self.second = ConvNorm(out_channels, out_channels, 3, widths=widths)
        self.shortcut = None
        if stride != 1 or in_channels != out_channels:
            self.shortcut = ConvNorm(in_channels, out_channels, 1, stride=stride, widths=widths)

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W') in sub-model `switch`."""
        y = functional.relu(self.first(x, switch))
        y = self.second(y, switch)
        shortcut = x if self.shortcut is None else self.shortcut(x, switch)
        return functional.relu(y + shortcut)


class ResNet(Backbone):
    """Stem, stages of basic blocks, global average pooling.

    Args:
        image_channels: Channels of the images; the stem keeps them all in every sub-model.
        channels: Channels of each stage of the full network; stages after the first halve the map.
        blocks: Basic blocks per stage.
        large_stem: Whether the stem is ResNet-18's 7 x 7 convolution and pooling, both of stride 2,
            instead of a 3 x 3 convolution of stride 1 for small images.
        widths: Ascending crop ratios.
    """

    def __init__(
        self,
        image_channels: int,
        *,
        channels: Sequence[int],
        blocks: int,
        large_stem: bool,
        widths: Widths,
    ) -> None:
        super().__init__()
        kernel_size, stride = (7, 2) if large_stem else (3, 1)
        self.stem = ConvNorm(
            image_channels, channels[0], kernel_size, stride=stride, widths=widths, crop_input=False
        )
        self.large_stem = large_stem
        self.blocks = nn.ModuleList()
        previous = channels[0]
        for stage, out_channels in enumerate(channels):
            for index in range(blocks):
                stride = 2 if stage > 0 and index == 0 else 1
                block = BasicBlock(previous, out_channels, stride=stride, widths=widths)
                self.blocks.append(block)
                previous = out_channels
        self.out_channels = previous

    def forward(self, images: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) images to sub-model `switch`'s pooled features, (B, F)."""
        x = functional.relu(self.stem(images, switch))
        if self.large_stem:
            x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for block in self.blocks:
            x = block(x, switch)
        return x.mean(dim=(2, 3))
