"""Layers of switchable transformers: linear ones inside a block, layer norm, patches, tokens."""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sfsc.networks.switchable import PrivateLayers, SwitchableLayer, leading_block

ModuleT = TypeVar("ModuleT", bound=nn.Module)
EPSILON = 1e-6
"""Of the layer norms, as in the weights that people have."""
STD = 0.02
"""Of the weights at the start."""


class SwitchableHiddenLinear(SwitchableLayer):
    """Linear layer that crops its output and its input.

    Args:
        in_features: Input features of each sub-model, ascending.
        out_features: Output features of each sub-model, ascending.
    """

    def __init__(self, in_features: Sequence[int], out_features: Sequence[int]) -> None:
        super().__init__()
        self.in_features, self.out_features = tuple(in_features), tuple(out_features)
        self.weight = nn.Parameter(torch.empty(out_features[-1], in_features[-1]))
        self.bias = nn.Parameter(torch.zeros(out_features[-1]))
        nn.init.trunc_normal_(self.weight, std=STD)

    def block(self, switch: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of sub-model `switch`'s leading blocks."""
        n_out = self.out_features[switch]
        return {"weight": (n_out, self.in_features[switch]), "bias": (n_out,)}

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map (..., in_features[switch]) to (..., out_features[switch])."""
        weight, bias = _blocks(self, switch)
        return functional.linear(x, weight, bias)

    def dense(self, switch: int) -> nn.Linear:
        """Return sub-model `switch` as a plain linear layer."""
        linear = nn.Linear(self.in_features[switch], self.out_features[switch])
        return _with_blocks(linear, self, switch)


class SwitchableLayerNorm(PrivateLayers):
    """A private layer norm for each sub-model.

    Args:
        features: Features of each sub-model, as `crop_channels` gives them.
    """

    def __init__(self, features: Sequence[int]) -> None:
        super().__init__(nn.LayerNorm(n, eps=EPSILON) for n in features)


class SwitchablePatches(SwitchableLayer):
    """Linear map of the pixels of each square patch; it crops its output only.

    Pixels that fill no patch, at the right and at the bottom, are not seen.

    Args:
        image_channels: Channels of the images.
        features: Features of each sub-model, ascending.
        side: Of a patch, in pixels.
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
        weight, bias = _blocks(self, switch)
        return functional.conv2d(images, weight, bias, stride=self.side)

    def dense(self, switch: int) -> nn.Conv2d:
        """Return sub-model `switch` as a plain convolution."""
        conv = nn.Conv2d(self.image_channels, self.features[switch], self.side, stride=self.side)
        return _with_blocks(conv, self, switch)


class Tokens(nn.Module):
    """Patches to tokens: their places are added, and a class token is put in front.

    Args:
        features: F.
        grid: Rows and columns of the places that are learned.
    """

    def __init__(self, features: int, grid: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, features))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + grid**2, features))
        for parameter in self.parameters():
            nn.init.trunc_normal_(parameter, std=STD)

    def forward(self, patches: Tensor) -> Tensor:
        """Map (B, F, H', W') to (B, 1 + H' W', F)."""
        return to_tokens(patches, self.cls_token, self.pos_embed)


class SwitchableTokens(SwitchableLayer):
    """`Tokens` that crops the features.

    Args:
        features: Features of each sub-model, ascending.
        grid: Rows and columns of the places that are learned.
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
        class_token, places = _blocks(self, switch)
        return to_tokens(patches, class_token, places)

    def dense(self, switch: int) -> Tokens:
        """Return sub-model `switch` as a plain module."""
        return _with_blocks(Tokens(self.features[switch], self.grid), self, switch)


def to_tokens(patches: Tensor, class_token: Tensor, places: Tensor) -> Tensor:
    """Add the places to patches and put the class token in front.

    Where the map of patches is not the learned grid, the places are interpolated, bicubically and
    with antialiasing, as timm does: the images of any data set have their places, and each learned
    one has a part in them.

    Args:
        patches: Shape (B, F, H', W').
        class_token: Shape (1, 1, F).
        places: That of the class token, then those of a square grid row by row, (1, 1 + G G, F).

    Returns:
        Shape (B, 1 + H' W', F).
    """
    side = round((places.shape[1] - 1) ** 0.5)
    grid = places[:, 1:].mT.reshape(1, -1, side, side)
    grid = functional.interpolate(grid, patches.shape[2:], mode="bicubic", antialias=True)
    first = (class_token + places[:, :1]).expand(len(patches), -1, -1)
    return torch.cat([first, (patches + grid).flatten(2).mT], dim=1)


def _blocks(layer: SwitchableLayer, switch: int) -> Iterator[Tensor]:
    """Yield sub-model `switch`'s leading blocks, in the order in which the layer names them."""
    for name, shape in layer.block(switch).items():
        yield leading_block(attrgetter(name)(layer), shape)


def _with_blocks(module: ModuleT, layer: SwitchableLayer, switch: int) -> ModuleT:
    """Copy a sub-model's blocks to a plain module whose parameters have the same order."""
    with torch.no_grad():
        for parameter, block in zip(module.parameters(), _blocks(layer, switch), strict=True):
            parameter.copy_(block)
    return module
