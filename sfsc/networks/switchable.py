"""Layers whose leading channels are sub-models (slimmable layers; DESIGN.md 2.1, paper).

Sub-model `switch` uses the leading `round(widths[switch] * channels)` channels of a layer. The
switch is an argument of `forward`, never state. One set of weights serves all sub-models; only
batch norms are private to each.

A sub-model's weights are *blocks*: leading slices of the shared parameters. `submodel_blocks` names
them for a whole network and `block_leaves` makes them leaves of autograd.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Widths = Sequence[float]


def crop_channels(channels: int, widths: Widths) -> tuple[int, ...]:
    """Return each sub-model's number of leading channels: `round(r_i * channels)`, at least 1.

    >>> crop_channels(64, (0.125, 0.5, 1.0))
    (8, 32, 64)
    """
    return tuple(max(1, round(width * channels)) for width in widths)


class SwitchableLayer(nn.Module):
    """Base of the layers that a sub-model crops."""

    def block(self, switch: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of sub-model `switch`'s leading block, per parameter name."""
        raise NotImplementedError

    def dense(self, switch: int) -> nn.Module:
        """Return sub-model `switch` of this layer as a plain layer with weights of its own."""
        raise NotImplementedError


class SwitchableConv2d(SwitchableLayer):
    """Convolution without bias that crops its output and input channels.

    With `groups` > 1 the groups are cropped with the channels: every sub-model keeps whole groups.
    A depthwise convolution is the case `groups == in_channels`.

    Args:
        in_channels: Input channels of the full network.
        out_channels: Output channels of the full network.
        kernel_size: Side of the square kernel, odd; the padding keeps the map's size at stride 1.
        widths: Ascending crop ratios.
        stride: Stride in both directions.
        groups: Groups of the full network.
        crop_input: Whether the input channels are cropped too; false for the first layer, which
            sees the image.

    Raises:
        ValueError: If a sub-model would cut a group in two.
    """

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
        uncropped = (in_channels,) * len(widths)
        self.in_channels = crop_channels(in_channels, widths) if crop_input else uncropped
        self.out_channels = crop_channels(out_channels, widths)
        self.groups = (1,) * len(widths)
        if groups > 1:
            fans = in_channels // groups, out_channels // groups
            self.groups = _crop_groups(self.in_channels, self.out_channels, *fans)
        self.kernel_size, self.stride = kernel_size, stride
        self.weight = nn.Parameter(torch.empty(self.block(len(widths) - 1)["weight"]))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def block(self, switch: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of sub-model `switch`'s leading block of the weight."""
        fan = self.in_channels[switch] // self.groups[switch]
        return {"weight": (self.out_channels[switch], fan, self.kernel_size, self.kernel_size)}

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Convolve with sub-model `switch`'s weights.

        Args:
            x: Feature map, shape (B, in_channels[switch], H, W).
            switch: Index of the sub-model.

        Returns:
            Shape (B, out_channels[switch], H', W').
        """
        weight = leading_block(self.weight, self.block(switch)["weight"])
        if weight.is_cuda:  # cropped and cast by one kernel, instead of cropped in each of its uses
            is_mixed = torch.is_autocast_enabled("cuda")
            dtype = torch.get_autocast_dtype("cuda") if is_mixed else weight.dtype
            weight = weight.to(dtype, memory_format=torch.channels_last)
        padding, stride = self.kernel_size // 2, self.stride
        if self.kernel_size == 1 and stride > 1 and not _is_safe(x):
            x, stride = functional.avg_pool2d(x, 1, stride), 1
        groups = self.groups[switch]
        return functional.conv2d(x, weight, stride=stride, padding=padding, groups=groups)

    def dense(self, switch: int) -> nn.Conv2d:
        """Return sub-model `switch` as a plain convolution."""
        conv = nn.Conv2d(
            self.in_channels[switch],
            self.out_channels[switch],
            self.kernel_size,
            stride=self.stride,
            padding=self.kernel_size // 2,
            groups=self.groups[switch],
            bias=False,
        )
        conv.weight = _own(leading_block(self.weight, self.block(switch)["weight"]))
        return conv


class SwitchableLinear(SwitchableLayer):
    """Linear layer that crops its input only, so that every sub-model's output has one dimension.

    Args:
        in_features: Input features of the full network.
        out_features: Output features of every sub-model.
        widths: Ascending crop ratios.
    """

    def __init__(self, in_features: int, out_features: int, *, widths: Widths) -> None:
        super().__init__()
        self.in_features = crop_channels(in_features, widths)
        self.out_features = out_features
        self.weight = nn.Parameter(torch.empty(out_features, self.in_features[-1]))
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.kaiming_normal_(self.weight, nonlinearity="linear")

    def block(self, switch: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of sub-model `switch`'s leading blocks."""
        return {
            "weight": (self.out_features, self.in_features[switch]),
            "bias": (self.out_features,),
        }

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map (B, in_features[switch]) to (B, out_features) with sub-model `switch`'s weights."""
        weight = leading_block(self.weight, self.block(switch)["weight"])
        return functional.linear(x, weight, self.bias)

    def dense(self, switch: int) -> nn.Linear:
        """Return sub-model `switch` as a plain linear layer."""
        linear = nn.Linear(self.in_features[switch], self.out_features)
        linear.weight = _own(leading_block(self.weight, self.block(switch)["weight"]))
        linear.bias = _own(self.bias)
        return linear


class PrivateLayers(SwitchableLayer):
    """A layer of its own for each sub-model: nothing of it is shared.

    Args:
        layers: One per sub-model.
    """

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.private = nn.ModuleList(layers)

    def block(self, switch: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of sub-model `switch`'s own parameters."""
        own = self.private[switch].named_parameters()
        return {f"private.{switch}.{name}": tuple(parameter.shape) for name, parameter in own}

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Call sub-model `switch`'s layer."""
        y: Tensor = self.private[switch](x)
        return y

    def dense(self, switch: int) -> nn.Module:
        """Return a copy of sub-model `switch`'s layer."""
        return copy.deepcopy(self.private[switch])


class SwitchableBatchNorm(PrivateLayers):
    """A private batch norm, weights and statistics, for each sub-model (DESIGN.md 2.1, paper).

    Args:
        channels: Channels of each sub-model, as `crop_channels` gives them.
        kind: `nn.BatchNorm2d` for feature maps, `nn.BatchNorm1d` for vectors.
    """

    def __init__(
        self,
        channels: Sequence[int],
        kind: type[nn.BatchNorm1d | nn.BatchNorm2d] = nn.BatchNorm2d,
    ) -> None:
        super().__init__(kind(n) for n in channels)


class Embeddings(NamedTuple):
    """What a sub-model says of a batch of images."""

    before_neck: Tensor
    """Shape (B, D); the triplet loss works on it."""
    embedding: Tensor
    """Shape (B, D), after the neck; the classifier and retrieval work on it."""


def leading_block(parameter: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the leading block of `parameter`; the parameter itself where it has that shape.

    Args:
        parameter: Shared parameter, or a block of it that takes its place.
        shape: Shape of the block, one number per dimension.
    """
    if parameter.shape == tuple(shape):
        return parameter
    return parameter[tuple(slice(n) for n in shape)]


def submodel_blocks(network: nn.Module, switch: int) -> dict[str, tuple[int, ...]]:
    """Return the block shape of each parameter that sub-model `switch` uses, by qualified name.

    Parameters of layers that are not switchable belong to every sub-model, whole.
    """
    blocks: dict[str, tuple[int, ...]] = {}
    switchable: tuple[str, ...] = ()
    for prefix, layer in network.named_modules():
        dot = f"{prefix}." if prefix else ""
        if isinstance(layer, SwitchableLayer):
            switchable += (dot,)
            blocks |= {dot + name: shape for name, shape in layer.block(switch).items()}
        elif not prefix.startswith(switchable):
            own = layer.named_parameters(recurse=False)
            blocks |= {dot + name: tuple(parameter.shape) for name, parameter in own}
    return blocks


def block_leaves(
    parameters: Mapping[str, Tensor], blocks: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    """Return a sub-model's blocks as leaves of autograd that share the parameters' memory.

    Pass them to `torch.func.functional_call` and differentiate with respect to them: a gradient
    then has its block's shape instead of being padded with zeros to the parameter's.

    Args:
        parameters: The shared parameters by name.
        blocks: A sub-model's blocks, from `submodel_blocks`.

    Returns:
        Parameter name to leaf.
    """
    return {
        name: leading_block(parameters[name].detach(), shape).detach().requires_grad_()
        for name, shape in blocks.items()
    }


def _is_safe(x: Tensor) -> bool:
    """Whether a 1 x 1 convolution of a map (B, C, H, W) may have a stride.

    If the channels do not fill one of its blocks, oneDNN 3.12, torch 2.13's, writes beyond its
    memory when it differentiates the weight (uxlfoundation/oneDNN#6035); maps of a few pixels
    excepted. Without the pixels that it would skip the product is the same.
    """
    return x.shape[1] >= 16 or min(x.shape[2:]) <= 8


def _crop_groups(
    in_channels: Sequence[int], out_channels: Sequence[int], fan_in: int, fan_out: int
) -> tuple[int, ...]:
    """Each sub-model's number of groups of `fan_in` input and `fan_out` output channels."""
    counts = tuple(channels // fan_in for channels in in_channels)
    for count, n_in, n_out in zip(counts, in_channels, out_channels, strict=True):
        if (count * fan_in, count * fan_out) != (n_in, n_out):
            raise ValueError(
                f"A sub-model must keep whole groups of a grouped convolution, {fan_in} input and "
                f"{fan_out} output channels each. Found `in_channels = {n_in}`, "
                f"`out_channels = {n_out}`; choose widths that leave a whole number of groups."
            )
    return counts


def _own(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().clone(memory_format=torch.contiguous_format))
