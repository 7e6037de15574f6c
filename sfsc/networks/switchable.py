"""Layers whose leading channels form sub-models (slimmable layers; DESIGN.md 2.1, paper).

Sub-model `switch` uses the leading `round(widths[switch] * channels)` channels of a layer. The
switch is an argument of `forward`, never state. All sub-models share one set of weights; each has
its own batch norms.

The weights of a sub-model are *blocks*: leading slices of the shared parameters. `submodel_blocks`
lists them for a whole network, and `block_leaves` turns them into leaves of autograd.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Widths = Sequence[float]
"""Crop ratios r_1 < ... < r_M of the sub-models."""
ModuleT = TypeVar("ModuleT", bound=nn.Module)


def crop_channels(channels: int, widths: Widths) -> tuple[int, ...]:
    """Return the number of leading channels of each sub-model: `round(r_i * channels)`, at least 1.

    >>> crop_channels(64, (0.125, 0.5, 1.0))
    (8, 32, 64)
    """
    return tuple(max(1, round(width * channels)) for width in widths)


def leading_block(parameter: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the leading block of a parameter as a view; the parameter itself if it has that shape.

    >>> leading_block(torch.arange(6).reshape(2, 3), (1, 2))
    tensor([[0, 1]])

    Args:
        parameter: The shared parameter, or a block of it.
        shape: Shape of the block, one number per dimension.
    """
    if parameter.shape == tuple(shape):
        return parameter
    return parameter[tuple(slice(n) for n in shape)]


class SwitchableLayer(nn.Module):
    """A layer that each sub-model crops."""

    def block(self, switch: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of sub-model `switch`'s leading block, by parameter name."""
        raise NotImplementedError

    def dense(self, switch: int) -> nn.Module:
        """Return sub-model `switch` of this layer as a plain layer with its own weights."""
        raise NotImplementedError

    def leading_blocks(self, switch: int) -> list[Tensor]:
        """Return sub-model `switch`'s leading blocks, in the order of `block`."""
        blocks = self.block(switch).items()
        return [leading_block(attrgetter(name)(self), shape) for name, shape in blocks]

    def copy_blocks(self, switch: int, module: ModuleT) -> ModuleT:
        """Copy the blocks to a plain layer whose parameters are in the order of `block`."""
        names = [name for name, _ in module.named_parameters()]
        for name, block in zip(names, self.leading_blocks(switch), strict=True):
            own = block.detach().clone(memory_format=torch.contiguous_format)
            setattr(module, name, nn.Parameter(own))
        return module


class SwitchableConv2d(SwitchableLayer):
    """Convolution without bias that crops its output and input channels.

    With `groups` > 1, groups are cropped along with the channels: every sub-model keeps whole
    groups. `groups == in_channels` is a depthwise convolution.

    >>> layer = SwitchableConv2d(8, 16, 3, widths=(0.25, 1.0))
    >>> layer(torch.zeros(1, 2, 5, 5), switch=0).shape
    torch.Size([1, 4, 5, 5])

    Args:
        in_channels: Input channels of the full network.
        out_channels: Output channels of the full network.
        kernel_size: Side of the square kernel, odd; padding keeps the size of the map at stride 1.
        widths: Ascending crop ratios.
        stride: Stride in both directions.
        groups: Groups of the full network.
        crop_input: Whether to crop the input channels; false for the first layer, whose input is
            the image.

    Raises:
        ValueError: If a sub-model would split a group.
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
        self.weight = nn.Parameter(torch.empty(self.block(-1)["weight"]))
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
        (weight,) = self.leading_blocks(switch)
        groups = self.groups[switch]
        if weight.is_cuda:  # cropped and cast by one kernel, instead of cropped in each of its uses
            layout = torch.channels_last
            if groups == len(weight) > 1 and not torch.is_grad_enabled():
                # cuDNN takes seconds to choose kernels for a depthwise convolution. Those of torch
                # for this layout need no choice; only with gradients are they much slower.
                layout = torch.contiguous_format
                x = x.contiguous()
            is_mixed = torch.is_autocast_enabled("cuda")
            dtype = torch.get_autocast_dtype("cuda") if is_mixed else weight.dtype
            weight = weight.to(dtype, memory_format=layout)
        padding, stride = self.kernel_size // 2, self.stride
        if self.kernel_size == 1 and stride > 1 and not _is_safe(x):
            x, stride = functional.avg_pool2d(x, 1, stride), 1
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
        return self.copy_blocks(switch, conv)


class SwitchableLinear(SwitchableLayer):
    """Linear layer with a number of input and output features for each sub-model.

    >>> layer = SwitchableLinear(crop_channels(8, (0.5, 1.0)), (6, 6))
    >>> layer(torch.zeros(3, 4), switch=0).shape
    torch.Size([3, 6])

    Args:
        in_features: Input features of each sub-model, ascending.
        out_features: Output features of each sub-model, ascending.
        std: Standard deviation of the initial weights; None is 1 / sqrt(in_features).
    """

    def __init__(
        self, in_features: Sequence[int], out_features: Sequence[int], *, std: float | None = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = tuple(in_features), tuple(out_features)
        self.weight = nn.Parameter(torch.empty(out_features[-1], in_features[-1]))
        self.bias = nn.Parameter(torch.zeros(out_features[-1]))
        if std is None:
            nn.init.kaiming_normal_(self.weight, nonlinearity="linear")
        else:
            nn.init.trunc_normal_(self.weight, std=std)

    def block(self, switch: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of sub-model `switch`'s leading blocks."""
        n_out = self.out_features[switch]
        return {"weight": (n_out, self.in_features[switch]), "bias": (n_out,)}

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map (..., in_features[switch]) to (..., out_features[switch])."""
        weight, bias = self.leading_blocks(switch)
        return functional.linear(x, weight, bias)

    def dense(self, switch: int) -> nn.Linear:
        """Return sub-model `switch` as a plain linear layer."""
        linear = nn.Linear(self.in_features[switch], self.out_features[switch])
        return self.copy_blocks(switch, linear)


class PrivateLayers(SwitchableLayer):
    """One layer for each sub-model, with nothing shared.

    Args:
        layers: One per sub-model.
    """

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.private = nn.ModuleList(layers)

    def block(self, switch: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters of sub-model `switch`'s layer."""
        own = self.private[switch].named_parameters()
        return {f"private.{switch}.{name}": tuple(parameter.shape) for name, parameter in own}

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Apply sub-model `switch`'s layer."""
        y: Tensor = self.private[switch](x)
        return y

    def dense(self, switch: int) -> nn.Module:
        """Return a copy of sub-model `switch`'s layer."""
        return copy.deepcopy(self.private[switch])


class SwitchableBatchNorm(PrivateLayers):
    """A batch norm for each sub-model, weights and statistics (DESIGN.md 2.1, paper).

    Args:
        channels: Channels of each sub-model, from `crop_channels`.
        kind: `nn.BatchNorm2d` for feature maps, `nn.BatchNorm1d` for vectors.
    """

    def __init__(
        self,
        channels: Sequence[int],
        kind: type[nn.BatchNorm1d | nn.BatchNorm2d] = nn.BatchNorm2d,
    ) -> None:
        super().__init__(kind(n) for n in channels)


class Embeddings(NamedTuple):
    """Embeddings of a batch of images by one sub-model."""

    before_neck: Tensor
    """Shape (B, D); input of the triplet loss."""
    embedding: Tensor
    """Shape (B, D), after the neck; input of the classifier and of retrieval."""


def submodel_blocks(network: nn.Module, switch: int) -> dict[str, tuple[int, ...]]:
    """Return the block shape of each parameter that sub-model `switch` uses, by qualified name.

    All sub-models use the parameters of layers that are not switchable, in full.
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

    Pass them to `torch.func.functional_call` and differentiate with respect to them: each gradient
    then has the shape of its block, without zeros for the rest of the parameter.

    >>> layer = SwitchableLinear((2, 4), (3, 3))
    >>> leaves = block_leaves(dict(layer.named_parameters()), submodel_blocks(layer, 0))
    >>> {name: tuple(leaf.shape) for name, leaf in leaves.items()}
    {'weight': (3, 2), 'bias': (3,)}

    Args:
        parameters: The shared parameters by name.
        blocks: A sub-model's blocks, from `submodel_blocks`.

    Returns:
        Leaf by parameter name.
    """
    return {
        name: leading_block(parameters[name].detach(), shape).detach().requires_grad_()
        for name, shape in blocks.items()
    }


def _is_safe(x: Tensor) -> bool:
    """Return whether a strided 1 x 1 convolution of a map (B, C, H, W) is safe to differentiate.

    oneDNN 3.12, which torch 2.13 uses, writes out of bounds in the gradient of the weight if the
    channels do not fill one of its blocks (uxlfoundation/oneDNN#6035), except on maps of a few
    pixels. Subsampling the map first gives the same result.
    """
    return x.shape[1] >= 16 or min(x.shape[2:]) <= 8


def _crop_groups(
    in_channels: Sequence[int], out_channels: Sequence[int], fan_in: int, fan_out: int
) -> tuple[int, ...]:
    """Return the number of groups of each sub-model.

    Args:
        in_channels: Input channels of each sub-model.
        out_channels: Output channels of each sub-model.
        fan_in: Input channels of a group.
        fan_out: Output channels of a group.

    Raises:
        ValueError: If a sub-model would split a group.
    """
    counts = tuple(channels // fan_in for channels in in_channels)
    for count, n_in, n_out in zip(counts, in_channels, out_channels, strict=True):
        if (count * fan_in, count * fan_out) != (n_in, n_out):
            raise ValueError(
                "Each sub-model must keep whole groups of a grouped convolution, here of "
                f"{fan_in} input and {fan_out} output channels. Found `in_channels = {n_in}`, "
                f"`out_channels = {n_out}`; choose widths that leave a whole number of groups."
            )
    return counts
