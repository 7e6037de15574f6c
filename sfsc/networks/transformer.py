"""Switchable vision transformers (Dosovitskiy et al., arXiv 2010.11929).

Sub-model `switch` uses, as in a convolutional network (DESIGN.md 2.1), the leading share of
everything that is counted: of the channels of a token, of the heads, which stay whole, and of the
hidden units between the two linear layers of a block, as AutoFormer crops them (Chen et al., arXiv
2107.00651). Its weights are leading blocks of the shared ones because queries, keys and values are
three parameters and not one. Layer norms are private, as batch norms are (ours): the mean and the
variance are over the channels, so that each sub-model's tokens have a scale of their own. Modules
of a block are named as timm names them: weights are found by name.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from sfsc.networks.backbone import Backbone
from sfsc.networks.switchable import Widths, crop_channels
from sfsc.networks.transformer_layers import (
    SwitchableHiddenLinear,
    SwitchableLayerNorm,
    SwitchablePatches,
    SwitchableTokens,
)

EXPANSION = 4
"""Hidden units of a block over the channels of a token."""


class Attention(nn.Module):
    """Self-attention of the leading heads; a head has the same size in every sub-model.

    Args:
        features: Features of a token in each sub-model, ascending.
        heads: Heads of each sub-model, ascending.
        head_dim: Size of a head.
    """

    def __init__(self, features: Sequence[int], heads: Sequence[int], head_dim: int) -> None:
        super().__init__()
        inner = [count * head_dim for count in heads]
        self.head_dim = head_dim
        self.q, self.k, self.v = (SwitchableHiddenLinear(features, inner) for _ in range(3))
        self.proj = SwitchableHiddenLinear(inner, features)

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map tokens (B, T, F) to (B, T, F) in sub-model `switch`."""
        query, key, value = (
            layer(x, switch).unflatten(2, (-1, self.head_dim)).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        heads = functional.scaled_dot_product_attention(query, key, value)
        y: Tensor = self.proj(heads.transpose(1, 2).flatten(2), switch)
        return y


class Perceptron(nn.Module):
    """Two linear layers with a GELU between them.

    Args:
        features: Features of a token in each sub-model, ascending.
        hidden: Units between the layers in each sub-model, ascending.
    """

    def __init__(self, features: Sequence[int], hidden: Sequence[int]) -> None:
        super().__init__()
        self.fc1 = SwitchableHiddenLinear(features, hidden)
        self.fc2 = SwitchableHiddenLinear(hidden, features)

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map tokens (B, T, F) to (B, T, F) in sub-model `switch`."""
        y: Tensor = self.fc2(functional.gelu(self.fc1(x, switch)), switch)
        return y


class Block(nn.Module):
    """Attention and a perceptron, each behind a layer norm and with a shortcut around both.

    Args:
        features: Features of a token in each sub-model, ascending.
        attention: Of such tokens.
        perceptron: Of such tokens.
    """

    def __init__(
        self, features: Sequence[int], attention: Attention, perceptron: Perceptron
    ) -> None:
        super().__init__()
        self.norm1 = SwitchableLayerNorm(features)
        self.attn = attention
        self.norm2 = SwitchableLayerNorm(features)
        self.mlp = perceptron

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map tokens (B, T, F) to (B, T, F) in sub-model `switch`."""
        x = x + self.attn(self.norm1(x, switch), switch)
        y: Tensor = x + self.mlp(self.norm2(x, switch), switch)
        return y


class VisionTransformer(Backbone):
    """Patches, blocks of attention, a last layer norm; the map of the patches' tokens is returned.

    The class token has its part in the attention and is left out of the map, so that
    `network.pooling` works on it as on any other backbone's. `average` is the one to take: half of
    what a layer norm returns is negative, and a generalised mean sees no negative features.

    Args:
        image_channels: Channels of the images.
        features: Channels of a token of the full network.
        depth: Number of blocks.
        heads: Heads of the full network.
        widths: Ascending crop ratios.
        patch: Side of a patch in pixels.
        grid: Rows and columns of the places that are learned.
    """

    def __init__(
        self,
        image_channels: int,
        *,
        features: int,
        depth: int,
        heads: int,
        widths: Widths,
        patch: int = 16,
        grid: int = 14,
    ) -> None:
        super().__init__()
        cropped = crop_channels(features, widths)
        cropped_heads = crop_channels(heads, widths)
        hidden = crop_channels(EXPANSION * features, widths)
        self.out_channels = features
        self.patches = SwitchablePatches(image_channels, cropped, side=patch)
        self.tokens = SwitchableTokens(cropped, grid)
        self.blocks = nn.ModuleList(
            Block(
                cropped,
                Attention(cropped, cropped_heads, features // heads),
                Perceptron(cropped, hidden),
            )
            for _ in range(depth)
        )
        self.norm = SwitchableLayerNorm(cropped)

    def forward(self, images: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) images to sub-model `switch`'s features, (B, F, H', W')."""
        patches = self.patches(images, switch)
        x = self.tokens(patches, switch)
        for block in self.blocks:
            x = block(x, switch)
        features: Tensor = self.norm(x[:, 1:], switch)
        return features.mT.reshape(patches.shape)
