"""The interface of backbones: images to feature maps (DESIGN.md 2.1)."""

from torch import Tensor, nn


class Backbone(nn.Module):
    """Base class of the switchable backbones."""

    out_channels: int
    """Channels F of the full network's feature map."""
    blocks: nn.ModuleList
    """Inner blocks in order; each maps a feature map and a switch to a feature map."""

    def forward(self, images: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) images to sub-model `switch`'s feature map, (B, F, H', W').

        Args:
            images: Normalised, at least 16 pixels high and wide.
            switch: Index of the sub-model; its F is `crop_channels(out_channels, widths)[switch]`.
        """
        raise NotImplementedError
