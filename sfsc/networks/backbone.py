"""The contract of backbones: images to a map of features (DESIGN.md 2.1)."""

from torch import Tensor, nn


class Backbone(nn.Module):
    """Base of the switchable backbones."""

    out_channels: int
    """F of the full network."""
    blocks: nn.ModuleList
    """Its inner stages, one after the other, each called with a map and a switch."""

    def forward(self, images: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) images to sub-model `switch`'s features, (B, F, H', W').

        Args:
            images: Normalised, at least 16 pixels high and wide.
            switch: Index of the sub-model, whose F is that of `crop_channels`.
        """
        raise NotImplementedError
