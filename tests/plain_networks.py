"""Plain backbones with torchvision's names of parameters; timm's for the vision transformer.

Written from table 1 of arXiv 1512.03385 and 1611.05431, table 2 of arXiv 1801.04381, and arXiv
2010.11929. The switchable backbones must equal them at full width and read their state dicts.
"""

import re
from collections import OrderedDict

import torch
from torch import Tensor, nn


class PlainBlock(nn.Module):
    """A bottleneck or, with `inner = None`, a basic block."""

    def __init__(self, n_in: int, n_out: int, stride: int, inner: int | None, groups: int) -> None:
        super().__init__()
        shapes = [(n_in, n_out, 3, stride, 1), (n_out, n_out, 3, 1, 1)]
        if inner:
            shapes = [(n_in, inner, 1, 1, 1), (inner, inner, 3, stride, groups)]
            shapes.append((inner, n_out, 1, 1, 1))
        self.depth = len(shapes)
        for index, (a, b, size, step, g) in enumerate(shapes, start=1):
            conv = nn.Conv2d(a, b, size, step, padding=size // 2, groups=g, bias=False)
            setattr(self, f"conv{index}", conv)
            setattr(self, f"bn{index}", nn.BatchNorm2d(b))
        if stride > 1 or n_in != n_out:
            conv = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        y = x
        for index in range(1, self.depth + 1):
            y = getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(y))
            y = torch.relu(y) if index < self.depth else y
        return torch.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class PlainResNet(nn.Module):
    """Stem and four stages, the features not pooled."""

    def __init__(
        self, depths: tuple[int, ...], inner: int | None, groups: int, last_stride: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        previous, first_out = 64, 256 if inner else 64
        strides = (1, 2, 2, last_stride)
        for stage, (depth, stride) in enumerate(zip(depths, strides, strict=True)):
            n_out, n_inner = first_out * 2**stage, inner * 2**stage if inner else None
            blocks = [PlainBlock(previous, n_out, stride, n_inner, groups)]
            blocks += [PlainBlock(n_out, n_out, 1, n_inner, groups) for _ in range(depth - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            previous = n_out
        self.fc = nn.Linear(previous, 1000)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, F, H', W')."""
        x = torch.relu(self.bn1(self.conv1(images)))
        x = nn.functional.max_pool2d(x, 3, 2, padding=1)
        for stage in (1, 2, 3, 4):
            x = getattr(self, f"layer{stage}")(x)
        return x


def plain_resnet(name: str, *, reduction: int = 32) -> PlainResNet:
    """Return ResNet-18, ResNet-50 or ResNeXt-50; the latter two have a last stride of 1."""
    if name == "resnet18":
        return PlainResNet((2, 2, 2, 2), None, 1, last_stride=reduction // 16)
    inner, groups = {"resnet50": (64, 1), "resnext50": (128, 32)}[name]
    return PlainResNet((3, 4, 6, 3), inner, groups, last_stride=1)


class PlainInvertedResidual(nn.Module):
    """Expand, filter, project."""

    def __init__(self, n_in: int, n_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = n_in * expansion
        expand = [conv_norm(n_in, inner, 1, 1)] if expansion > 1 else []
        project = [nn.Conv2d(inner, n_out, 1, bias=False), nn.BatchNorm2d(n_out)]
        self.conv = nn.Sequential(*expand, conv_norm(inner, inner, 3, stride, inner), *project)
        self.has_shortcut = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        return x + self.conv(x) if self.has_shortcut else self.conv(x)


def conv_norm(n_in: int, n_out: int, size: int, stride: int, groups: int = 1) -> nn.Sequential:
    """Return a convolution, its batch norm and ReLU6."""
    conv = nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.ReLU6())


def plain_mobilenet_v2(*, reduction: int = 8) -> nn.Sequential:
    """Return the network; below the paper's reduction of 32, its last halvings are left out."""
    layers: list[nn.Module] = [conv_norm(3, 32, 3, 2)]
    fourth, sixth = {8: (1, 1), 16: (2, 1), 32: (2, 2)}[reduction]
    rows = [
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, fourth)),
        *((6, 96, 3, 1), (6, 160, 3, sixth), (6, 320, 1, 1)),
    ]
    previous = 32
    for expansion, n_out, depth, stride in rows:
        for index in range(depth):
            first = stride if index == 0 else 1
            layers.append(PlainInvertedResidual(previous, n_out, expansion, first))
            previous = n_out
    features = nn.Sequential(*layers, conv_norm(320, 1280, 1, 1))
    return nn.Sequential(OrderedDict(features=features))


def as_timm(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict of MobileNetV2 with timm's names, in the order of a .safetensors file."""
    depths, places = (1, 2, 3, 4, 3, 3, 1), []
    for stage, depth in enumerate(depths):
        places += [(stage, index) for index in range(depth)]
    renamed = {}
    for name, tensor in weights.items():
        _, layer, *rest = name.split(".")
        if layer in {"0", "18"}:
            pair = ("conv_stem", "bn1") if layer == "0" else ("conv_head", "bn2")
            new = f"{pair[int(rest[0])]}.{rest[1]}"
        else:
            block = "blocks.{}.{}".format(*places[int(layer) - 1])
            new = f"{block}.{_in_timm_block('.'.join(rest), first=layer == '1')}"
        renamed[new] = tensor
    return dict(sorted(renamed.items()))


def _in_timm_block(name: str, *, first: bool) -> str:
    convolutions = ("conv_dw", "conv_pw") if first else ("conv_pw", "conv_dw", "conv_pwl")
    match = re.fullmatch(r"conv\.(\d)(?:\.(\d))?\.(\w+)", name)
    assert match
    outer, inner, tensor = match.groups()
    last = len(convolutions) - 1
    index = int(outer) if inner is not None else last
    is_norm = inner == "1" if inner is not None else int(outer) == last + 1
    return f"bn{index + 1}.{tensor}" if is_norm else f"{convolutions[index]}.{tensor}"


class PlainAttention(nn.Module):
    """Torch's self-attention with timm's names of its two linear layers."""

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(features, 3 * features)
        self.proj = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, F) to (B, T, F)."""
        x = x.transpose(0, 1)
        y, _ = nn.functional.multi_head_attention_forward(
            *(x, x, x, x.shape[2], self.heads, self.qkv.weight, self.qkv.bias, None, None),
            *(False, 0.0, self.proj.weight, self.proj.bias),
            need_weights=False,
        )
        return y.transpose(0, 1)


class PlainTransformerBlock(nn.Module):
    """Attention and two linear layers, each after a layer norm."""

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(features, eps=1e-6)
        self.attn = PlainAttention(features, heads)
        self.norm2 = nn.LayerNorm(features, eps=1e-6)
        layers = [nn.Linear(features, 4 * features), nn.GELU(), nn.Linear(4 * features, features)]
        self.mlp = nn.Sequential(OrderedDict(zip(("fc1", "act", "fc2"), layers, strict=True)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, F) to (B, T, F)."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PlainVisionTransformer(nn.Module):
    """Vision transformer for images of a fixed map of patches (arXiv 2010.11929, eq. 1 to 4)."""

    def __init__(self, features: int, depth: int, heads: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.cls_token = nn.Parameter(torch.randn(1, 1, features))
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + grid[0] * grid[1], features))
        proj = nn.Conv2d(3, features, 16, 16)
        self.patch_embed = nn.Sequential(OrderedDict(proj=proj))
        self.blocks = nn.Sequential(*(PlainTransformerBlock(features, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(features, eps=1e-6)
        self.head = nn.Linear(features, 1000)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) to the map of the patches' tokens, (B, F, H / 16, W / 16)."""
        patches = self.patch_embed(images).flatten(2).transpose(1, 2)
        first = self.cls_token.expand(len(images), 1, -1)
        x = self.norm(self.blocks(torch.cat([first, patches], dim=1) + self.pos_embed))
        return x[:, 1:].transpose(1, 2).unflatten(2, self.grid)


def plain_vit_small(grid: tuple[int, int] = (14, 14)) -> PlainVisionTransformer:
    """Return ViT-S/16 for images of 16 times as many pixels as the grid."""
    return PlainVisionTransformer(384, 12, 6, grid)


def scramble(network: nn.Module) -> None:
    """Randomise norms, so that a wrong order of weights or statistics changes the output."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor, std=0.1)
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
