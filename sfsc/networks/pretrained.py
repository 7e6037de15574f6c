"""Weights in a file as the start of a switchable backbone (DESIGN.md 2.1).

The tensors of a convolutional network are matched by order and shape, so that their names do not
matter; those of a transformer, by timm's names. At full width, the network takes them unchanged,
as its sub-models are leading parts of it; at a smaller width, it takes the leading channels. So do
the norms of smaller sub-models, statistics included.

Fresh batch norms for smaller sub-models do no better than chance: compared on `small_resnet` over
three seeds on validation identities. Fresh statistics change nothing, as training normalises by
the statistics of the batch.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sfsc.errors import ConfigError
from sfsc.networks.backbone import Backbone
from sfsc.networks.resnet import ConvNorm
from sfsc.networks.switchable import crop_channels, leading_block
from sfsc.networks.weight_files import read_weights

Weights = Mapping[str, Tensor]
Targets = dict[str, list[Tensor]]
"""By the name of a tensor, the tensors of sub-models that start from it, ascending."""
Pairs = list[tuple[str, str]]
"""The weights of convolutions and the prefixes of their batch norms, in the order of a pass."""
STATISTICS = ("weight", "bias", "running_mean", "running_var")
TIMM_NAMES = {r"^patches\.": "patch_embed.proj.", r"^tokens\.full\.": "", r"\bprivate\.\d+\.": ""}
"""Patterns in the names of a transformer's parameters, and their replacement in timm's names."""
FIRST_OF_TIMM = "patch_embed.proj.weight"
HEAD = 64
"""Channels of a head in timm's transformers."""


def load_pretrained(backbone: Backbone, path: Path, *, width: float = 1.0) -> None:
    """Let a backbone start from the weights in a file.

    Args:
        backbone: Its parameters and statistics are overwritten.
        path: A state dict, perhaps inside a checkpoint, as .pth or .safetensors.
        width: The largest crop ratio of the backbone.

    Raises:
        ConfigError: If the file cannot be read or does not hold finite weights of this backbone.
    """
    weights = read_weights(path)
    layers = [module for module in backbone.modules() if isinstance(module, ConvNorm)]
    if layers:
        targets = _targets_in_order(weights, layers, path=path, width=width)
    else:
        weights, targets = _split_attention(_without_prefix(weights)), _targets_by_name(backbone)
    for name, (*_, full) in targets.items():
        if found := _mismatch(weights, name, full, width=width):
            raise ConfigError(
                f"`network.pretrained` must hold `{name}` as finite numbers in the backbone's "
                f"shape, {tuple(full.shape)} at width {width:g}. Found {found} in {path}."
            )
    with torch.no_grad():
        for name, (*smaller, full) in targets.items():
            full.copy_(leading_block(weights[name], full.shape))
            for target in smaller:
                target.copy_(leading_block(full, target.shape))


def _targets_in_order(
    weights: Weights, layers: Sequence[ConvNorm], *, path: Path, width: float
) -> Targets:
    """Match the layers of a file to those of the backbone, in the order that fits best."""
    candidates = [_pair(pairs, layers) for pairs in _orders(weights) if len(pairs) == len(layers)]
    if not candidates:
        raise ConfigError(
            f"`network.pretrained` must hold the backbone's {len(layers)} convolutions, each with "
            f"a batch norm. Found {_count(weights)} in {path}."
        )

    def mismatches(targets: Targets) -> int:
        found = (
            _mismatch(weights, name, full, width=width) for name, (*_, full) in targets.items()
        )
        return sum(mismatch is not None for mismatch in found)

    return min(candidates, key=mismatches)


def _pair(pairs: Pairs, layers: Sequence[ConvNorm]) -> Targets:
    targets: Targets = {}
    for (convolution, norm), layer in zip(pairs, layers, strict=True):
        targets[convolution] = [layer.conv.weight]
        for name in STATISTICS:
            targets[f"{norm}.{name}"] = [getattr(private, name) for private in layer.norm.private]
    return targets


def _orders(weights: Weights) -> Iterator[Pairs]:
    """Yield possible orders of the layers of a convolutional network, the likeliest first.

    A state dict is in the order of its modules, unless its names have been sorted. The i-th batch
    norm belongs to the i-th convolution; those after the last are of other parts.
    """
    saved, natural = list(weights), sorted(weights, key=_natural)
    convolutions = [name for name in saved if weights[name].dim() == 4]
    is_sorted = convolutions == sorted(convolutions)
    for names in (natural, saved) if is_sorted else (saved, natural):
        convolutions = [name for name in names if weights[name].dim() == 4]
        norms = [n.removesuffix(".running_mean") for n in names if n.endswith(".running_mean")]
        if len(norms) >= len(convolutions):
            yield list(zip(convolutions, norms, strict=False))
    yield list(_mobilenet_of_timm(weights))


def _natural(name: str) -> list[str | int]:
    """Return a key that sorts numbers in names by value, as modules are numbered.

    >>> sorted(["layer.10.conv", "layer.9.conv"], key=_natural)
    ['layer.9.conv', 'layer.10.conv']
    """
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _mobilenet_of_timm(weights: Weights) -> Iterator[tuple[str, str]]:
    """Yield the layers of timm's MobileNetV2, whose names are in no useful order."""
    stem = next((name for name in weights if name.endswith("conv_stem.weight")), None)
    if stem is None:
        return
    root = stem.removesuffix("conv_stem.weight")
    blocks = {name.rpartition(".conv_dw.")[0] for name in weights if ".conv_dw." in name}
    yield stem, f"{root}bn1"
    for block in sorted(blocks, key=_natural):
        expands = f"{block}.conv_pwl.weight" in weights
        convolutions = ("conv_pw", "conv_dw", "conv_pwl") if expands else ("conv_dw", "conv_pw")
        for index, name in enumerate(convolutions, start=1):
            yield f"{block}.{name}.weight", f"{block}.bn{index}"
    yield f"{root}conv_head.weight", f"{root}bn2"


def _targets_by_name(backbone: Backbone) -> Targets:
    """Match the parameters of a transformer by timm's names."""
    targets: Targets = {}
    for name, parameter in backbone.named_parameters():
        timm_name = name
        for pattern, replacement in TIMM_NAMES.items():
            timm_name = re.sub(pattern, replacement, timm_name)
        targets.setdefault(timm_name, []).append(parameter)
    return targets


def _without_prefix(weights: Weights) -> Weights:
    """Return the weights under the prefix of the only transformer of a file."""
    roots = [n.removesuffix(FIRST_OF_TIMM) for n in weights if n.endswith(FIRST_OF_TIMM)]
    if len(roots) != 1:
        return weights
    return {n.removeprefix(roots[0]): t for n, t in weights.items() if n.startswith(roots[0])}


def _split_attention(weights: Weights) -> dict[str, Tensor]:
    """Return the weights with separate queries, keys and values, which timm stacks."""
    split: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if ".qkv." in name and tensor.dim() > 0:
            thirds = zip("qkv", tensor.tensor_split(3), strict=True)
            split |= {name.replace(".qkv.", f".{part}."): third for part, third in thirds}
        else:
            split[name] = tensor
    return split


def _mismatch(weights: Weights, name: str, target: Tensor, *, width: float) -> str | None:
    """Return what keeps a tensor from being the start of a target, None if nothing does."""
    source = weights.get(name)
    if source is None:
        return f"no such tensor among those of {_parts(weights)}"
    if not _is_cropped_to(tuple(target.shape), name, tuple(source.shape), width=width):
        return f"{tuple(source.shape)}"
    if not source.is_floating_point():
        return f"numbers of type {source.dtype}"
    if not source.to(target.dtype).isfinite().all():
        return "NaN or infinity"
    if name.endswith("running_var") and (source < 0).any():
        return "negative variances"
    return None


def _is_cropped_to(
    target: tuple[int, ...], name: str, source: tuple[int, ...], *, width: float
) -> bool:
    """Return whether each size is the full one or that of the crop ratio."""
    kept = [{n, *crop_channels(n, [width])} for n in source]
    if ".attn." in name:  # attention keeps whole heads
        for allowed, n in zip(kept, source, strict=True):
            allowed.update(min(n, HEAD * heads) for heads in crop_channels(n // HEAD, [width]))
    return len(kept) == len(target) and all(map(set.__contains__, kept, target))


def _count(weights: Weights) -> str:
    """Return the number of layers of a convolutional network, and where they are."""
    convolutions = sum(tensor.dim() == 4 for tensor in weights.values())
    norms = sum(name.endswith(".running_mean") for name in weights)
    return f"{convolutions} convolutions and {norms} batch norms among {_parts(weights)}"


def _parts(weights: Weights) -> str:
    """Return the first parts of the names of tensors.

    >>> _parts(dict.fromkeys(["encoder.0.weight", "encoder.1.weight", "head.weight"]))
    '`encoder`, `head`'
    """
    parts = list(dict.fromkeys(name.partition(".")[0] for name in weights))
    return ", ".join(f"`{part}`" for part in parts[:8]) + (", ..." if len(parts) > 8 else "")
