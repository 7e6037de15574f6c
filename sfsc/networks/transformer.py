"""Switchable vision transformers (Dosovitskiy et al., arXiv 2010.11929).

Sub-model `switch` uses the leading share of token channels, of whole heads, and of the hidden units
of each block, as AutoFormer does (Chen et al., arXiv 2107.00651; DESIGN.md 2.1). Queries, keys and
values have separate parameters, so that a sub-model's weights are leading blocks. Each sub-model
has its own layer norms, as it has its own batch norms (ours): their statistics are over the
channels, whose scale differs between sub-models. Modules of a block have timm's names, by which
pretrained weights are found.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from sfsc.networks.backbone import Backbone
from sfsc.networks.switchable import SwitchableLinear, Widths, crop_channels
from sfsc.networks.transformer_layers import (
    STD,
    SwitchableLayerNorm,
    SwitchablePatches,
    SwitchableTokens,
)

EXPANSION = 4
"""Ratio of hidden units to token channels in a block."""


class Attention(nn.Module):
    """Self-attention whose sub-models keep the leading heads, each of full size.

    Args:
        features: Token channels of each sub-model, ascending.
        heads: Heads of each sub-model, ascending.
        head_dim: Channels of a head.
    """

    def __init__(self, features: Sequence[int], heads: Sequence[int], head_dim: int) -> None:
        super().__init__()
        inner = [count * head_dim for count in heads]
        self.head_dim = head_dim
        self.q, self.k, self.v = (SwitchableLinear(features, inner, std=STD) for _ in range(3))
        self.proj = SwitchableLinear(inner, features, std=STD)

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map tokens (B, T, F) to (B, T, F) with sub-model `switch`'s weights."""
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
        features: Token channels of each sub-model, ascending.
        hidden: Hidden units of each sub-model, ascending.
    """

    def __init__(self, features: Sequence[int], hidden: Sequence[int]) -> None:
        super().__init__()
        self.fc1 = SwitchableLinear(features, hidden, std=STD)
        self.fc2 = SwitchableLinear(hidden, features, std=STD)

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map tokens (B, T, F) to (B, T, F) with sub-model `switch`'s weights."""
        y: Tensor = self.fc2(functional.gelu(self.fc1(x, switch)), switch)
        return y


class TransformerBlock(nn.Module):
    """Attention, then a perceptron; each follows a layer norm and has a shortcut.

    Args:
        features: Token channels of each sub-model, ascending.
        attention: Attention on such tokens.
        perceptron: Perceptron on such tokens.
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
        """Map tokens (B, T, F) to (B, T, F) with sub-model `switch`'s weights."""
        x = x + self.attn(self.norm1(x, switch), switch)
        y: Tensor = x + self.mlp(self.norm2(x, switch), switch)
        return y


class VisionTransformer(Backbone):
    """Patches, transformer blocks and a last layer norm; returns the map of the patches' tokens.

    The class token takes part in the attention but not in the map, so that `network.pooling` works
    as with any other backbone. Use `average`: half of the outputs of a layer norm are negative, and
    a generalised mean ignores negative features.

    Args:
        image_channels: Channels of the images.
        features: Token channels of the full network.
        depth: Number of blocks.
        heads: Heads of the full network.
        widths: Ascending crop ratios.
        patch: Side of a patch in pixels.
        grid: Rows and columns of the learned position embeddings.
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
            TransformerBlock(
                cropped,
                Attention(cropped, cropped_heads, features // heads),
                Perceptron(cropped, hidden),
            )
            for _ in range(depth)
        )
        self.norm = SwitchableLayerNorm(cropped)

    def forward(self, images: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) images to sub-model `switch`'s feature map, (B, F, H', W')."""
        patches = self.patches(images, switch)
        x = self.tokens(patches, switch)
        for block in self.blocks:
            x = block(x, switch)
        features: Tensor = self.norm(x[:, 1:], switch)
        return features.transpose(1, 2).reshape(patches.shape)
