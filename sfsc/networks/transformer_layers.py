"""Switchable layers of vision transformers: layer norm, patches, tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sfsc.networks.switchable import PrivateLayers, SwitchableLayer

EPSILON = 1e-6
"""Added to the variance in layer norms; timm's value."""
STD = 0.02
"""Standard deviation of the initial weights."""


class SwitchableLayerNorm(PrivateLayers):
    """A layer norm for each sub-model.

    Args:
        features: Features of each sub-model, from `crop_channels`.
    """

    def __init__(self, features: Sequence[int]) -> None:
        super().__init__(nn.LayerNorm(n, eps=EPSILON) for n in features)


class SwitchablePatches(SwitchableLayer):
    """Linear map of the pixels of each square patch; it crops its output only.

    Pixels at the right and bottom edges that do not fill a patch are ignored.

    Args:
        image_channels: Channels of the images.
        features: Features of each sub-model, ascending.
        side: Side of a patch in pixels.
    """

    def __init__(self, image_channels: int, features: Sequence[int], *, side: int) -> None:
        super().__init__()
        self.image_channels, self.features, self.side = image_channels, tuple(features), side
        self.weight = nn.Parameter(torch.empty(self.block(-1)["weight"]))
        self.bias = nn.Parameter(torch.zeros(features[-1]))
        nn.init.trunc_normal_(self.weight, std=STD)

    def block(self, switch: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of sub-model `switch`'s leading blocks."""
        n = self.features[switch]
        return {"weight": (n, self.image_channels, self.side, self.side), "bias": (n,)}

    def forward(self, images: Tensor, switch: int) -> Tensor:
        """Map (B, C, H, W) to (B, features[switch], H / side, W / side)."""
        weight, bias = self.leading_blocks(switch)
        return functional.conv2d(images, weight, bias, stride=self.side)

    def dense(self, switch: int) -> nn.Conv2d:
        """Return sub-model `switch` as a plain convolution."""
        conv = nn.Conv2d(self.image_channels, self.features[switch], self.side, stride=self.side)
        return self.copy_blocks(switch, conv)


class Tokens(nn.Module):
    """Turn a map of patches into tokens: add position embeddings and prepend a class token.

    Args:
        features: F.
        grid: Rows and columns of the learned position embeddings.
    """

    def __init__(self, features: int, grid: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, features))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + grid**2, features))
        self.grid = grid
        for parameter in self.parameters():
            nn.init.trunc_normal_(parameter, std=STD)

    def forward(self, patches: Tensor) -> Tensor:
        """Map (B, F, H', W') to (B, 1 + H' W', F)."""
        return to_tokens(patches, self.cls_token, self.pos_embed, self.grid)


class SwitchableTokens(SwitchableLayer):
    """`Tokens` whose features each sub-model crops.

    Args:
        features: Features of each sub-model, ascending.
        grid: Rows and columns of the learned position embeddings.
    """

    def __init__(self, features: Sequence[int], grid: int) -> None:
        super().__init__()
        self.features, self.grid = tuple(features), grid
        self.full = Tokens(features[-1], grid)

    def block(self, switch: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of sub-model `switch`'s leading blocks."""
        n = self.features[switch]
        return {"full.cls_token": (1, 1, n), "full.pos_embed": (1, 1 + self.grid**2, n)}

    def forward(self, patches: Tensor, switch: int) -> Tensor:
        """Map (B, features[switch], H', W') to (B, 1 + H' W', features[switch])."""
        class_token, positions = self.leading_blocks(switch)
        return to_tokens(patches, class_token, positions, self.grid)

    def dense(self, switch: int) -> Tokens:
        """Return sub-model `switch` as a plain module."""
        return self.copy_blocks(switch, Tokens(self.features[switch], self.grid))


def to_tokens(patches: Tensor, class_token: Tensor, positions: Tensor, grid: int) -> Tensor:
    """Add position embeddings to patches and prepend the class token.

    If the map is not the learned grid, the position embeddings are resized to it, bicubically and
    with antialiasing as in timm, so that images of any size can be embedded.

    >>> to_tokens(torch.zeros(2, 8, 3, 5), torch.zeros(1, 1, 8), torch.zeros(1, 17, 8), 4).shape
    torch.Size([2, 16, 8])

    Args:
        patches: Shape (B, F, H', W').
        class_token: Shape (1, 1, F).
        positions: Position embeddings of the class token and of the grid, row by row, (1, 1 + G G,
            F).
        grid: G; not derived from a shape, which is not a number in a trace.

    Returns:
        Shape (B, 1 + H' W', F).
    """
    learned = positions[:, 1:].transpose(1, 2).reshape(1, -1, grid, grid)
    # torch resizes with antialiasing in single and double precision only.
    learned = learned if learned.dtype == torch.float64 else learned.float()
    resized = functional.interpolate(learned, patches.shape[2:], mode="bicubic", antialias=True)
    first = (class_token + positions[:, :1]).expand(patches.shape[0], -1, -1)
    return torch.cat(
        [first, (patches + resized.to(positions.dtype)).flatten(2).transpose(1, 2)], dim=1
    )
