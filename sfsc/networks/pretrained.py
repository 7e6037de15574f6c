"""Weights that people have on disk, as the start of a switchable backbone (DESIGN.md 2.1).

A state dict of torchvision or timm names convolutions and batch norms in its own way; all that is
used of the names is the order that they imply. A transformer's tensors have timm's names. A network
of full width takes the weights whole, as its sub-models are leading parts of them; one of a smaller
width alone takes its leading channels. So do the norms, statistics included, that are private to
smaller sub-models.

Fresh batch norms instead do no better by more than noise: compared on `small_resnet`, over three
seeds, on validation identities. Fresh statistics alone change nothing, as training normalises by
the batch's.
"""

import pickle
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sfsc.errors import ConfigError
from sfsc.networks.backbone import Backbone
from sfsc.networks.resnet import ConvNorm
from sfsc.networks.switchable import crop_channels, leading_block

Weights = Mapping[str, Tensor]
Names = Iterator[tuple[str, str]]
"""A convolution and the batch norm behind it, one after the other as an image meets them."""
STATISTICS = ("weight", "bias", "running_mean", "running_var")
TIMM_NAMES = {r"^patches\.": "patch_embed.proj.", r"^tokens\.full\.": "", r"\bprivate\.\d+\.": ""}
"""What the names of a transformer's parameters have for timm's; all else is alike."""
HEAD = 64
"""Channels of a head in timm's transformers."""


def load_pretrained(backbone: Backbone, path: Path, *, width: float = 1.0) -> None:
    """Let a backbone start from the weights in a file.

    Args:
        backbone: Its parameters and statistics are overwritten.
        path: `.safetensors`, or what `torch.save` wrote of a state dict.
        width: The backbone's largest crop ratio.

    Raises:
        ConfigError: If the file cannot be read or holds no weights of this backbone.
    """
    weights = _read(path)
    layers = [module for module in backbone.modules() if isinstance(module, ConvNorm)]
    if layers:
        targets = _targets_in_order(weights, layers, path=path)
    else:
        weights, targets = _split_attention(weights), _targets_by_name(backbone)
    for name, (*smaller, full) in targets.items():
        _copy(weights, name, full, path=path, width=width)
        for target in smaller:
            _copy_leading(full, target)


def _targets_in_order(
    weights: Weights, layers: Sequence[ConvNorm], *, path: Path
) -> dict[str, list[Tensor]]:
    """Return who takes each tensor, sub-models ascending: layers and names have one order."""
    pairs = next((names for layout in LAYOUTS if (names := list(layout(weights)))), [])
    if len(pairs) != len(layers):
        raise ConfigError(
            f"`network.pretrained` must be a state dict of torchvision or timm with the "
            f"{len(layers)} convolutions of the backbone. Found {len(pairs)} in {path}."
        )
    targets: dict[str, list[Tensor]] = {}
    for (conv, norm), layer in zip(pairs, layers, strict=True):
        targets[f"{conv}.weight"] = [layer.conv.weight]
        for name in STATISTICS:
            targets[f"{norm}.{name}"] = [getattr(private, name) for private in layer.norm.private]
    return targets


def _targets_by_name(backbone: Backbone) -> dict[str, list[Tensor]]:
    """Return who takes each tensor of a transformer, sub-models ascending, by timm's name."""
    targets: dict[str, list[Tensor]] = {}
    for name, parameter in backbone.named_parameters():
        timm_name = name
        for pattern, theirs in TIMM_NAMES.items():
            timm_name = re.sub(pattern, theirs, timm_name)
        targets.setdefault(timm_name, []).append(parameter)
    return targets


def _split_attention(weights: Weights) -> dict[str, Tensor]:
    """Return the weights with queries, keys and values apart; timm has them one on the other."""
    split: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if ".qkv." in name and tensor.dim() > 0:
            parts = zip("qkv", tensor.tensor_split(3), strict=True)
            split |= {name.replace(".qkv.", f".{part}."): third for part, third in parts}
        else:
            split[name] = tensor
    return split


def _read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file; what wraps a state dict, as training code does, is opened."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        content = content.get("state_dict", content)
        return {name: tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
    except (
        *(OSError, ValueError, RuntimeError, EOFError, AttributeError),
        *(pickle.UnpicklingError, SafetensorError),
    ) as error:
        raise ConfigError(
            "`network.pretrained` must be a readable file of weights, .safetensors or .pth. Found "
            f"{path}: {' '.join(str(error).split())[:200]}"
        ) from error


def _copy(weights: Weights, name: str, target: Tensor, *, path: Path, width: float) -> None:
    """Copy a tensor's leading part; its sizes must be the target's, as they are or cropped."""
    source = weights.get(name)
    sizes = tuple(source.shape) if source is not None else ()
    kept = [{n, *crop_channels(n, [width])} for n in sizes]
    if ".attn." in name:  # whole heads are kept
        for allowed, n in zip(kept, sizes, strict=True):
            allowed.update(min(n, HEAD * heads) for heads in crop_channels(n // HEAD, [width]))
    if (
        source is None
        or len(kept) != target.dim()
        or not all(map(set.__contains__, kept, target.shape))
    ):
        raise ConfigError(
            f"`network.pretrained` must hold `{name}` in the backbone's shape, "
            f"{tuple(target.shape)} at width {width:g}. Found "
            f"{sizes if source is not None else 'none'} in {path}."
        )
    _copy_leading(source, target)


def _copy_leading(source: Tensor, target: Tensor) -> None:
    with torch.no_grad():
        target.copy_(leading_block(source, target.shape))


def _resnet(weights: Weights) -> Names:
    """Yield the layers of a residual network; torchvision and timm name them alike."""
    if "layer1.0.conv1.weight" not in weights:
        return
    yield "conv1", "bn1"
    for block in _blocks(weights, "layer{}.{}.conv1.weight", first_stage=1):
        prefix = "layer{}.{}".format(*block)
        for index in (1, 2, 3):
            if f"{prefix}.conv{index}.weight" in weights:
                yield f"{prefix}.conv{index}", f"{prefix}.bn{index}"
        if f"{prefix}.downsample.0.weight" in weights:
            yield f"{prefix}.downsample.0", f"{prefix}.downsample.1"


def _mobilenet_torchvision(weights: Weights) -> Names:
    """Yield the layers of torchvision's MobileNetV2."""
    if "features.0.0.weight" not in weights:
        return
    yield "features.0.0", "features.0.1"
    index = 1
    while f"features.{index}.conv.0.0.weight" in weights:
        prefix, inner = f"features.{index}.conv", 0
        while f"{prefix}.{inner}.0.weight" in weights:  # expansion and depthwise convolution
            yield f"{prefix}.{inner}.0", f"{prefix}.{inner}.1"
            inner += 1
        yield f"{prefix}.{inner}", f"{prefix}.{inner + 1}"
        index += 1
    yield f"features.{index}.0", f"features.{index}.1"


def _mobilenet_timm(weights: Weights) -> Names:
    """Yield the layers of timm's MobileNetV2; blocks that do not expand have no `conv_pwl`."""
    if "conv_stem.weight" not in weights:
        return
    yield "conv_stem", "bn1"
    for block in _blocks(weights, "blocks.{}.{}.conv_dw.weight", first_stage=0):
        prefix = "blocks.{}.{}".format(*block)
        expands = f"{prefix}.conv_pwl.weight" in weights
        convolutions = ("conv_pw", "conv_dw", "conv_pwl") if expands else ("conv_dw", "conv_pw")
        for index, name in enumerate(convolutions, start=1):
            yield f"{prefix}.{name}", f"{prefix}.bn{index}"
    yield "conv_head", "bn2"


def _blocks(weights: Weights, name: str, *, first_stage: int) -> Iterator[tuple[int, int]]:
    """Yield stage and index of each block, by a weight that every block has."""
    stage = first_stage
    while name.format(stage, 0) in weights:
        index = 0
        while name.format(stage, index) in weights:
            yield stage, index
            index += 1
        stage += 1


LAYOUTS: tuple[Callable[[Weights], Names], ...] = (
    _resnet,
    _mobilenet_torchvision,
    _mobilenet_timm,
)
