"""A backbone that starts from the weights in a file is the network that they are of."""

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
    """Return the plain network of random weights and statistics."""
    torch.manual_seed(0)
    others = {"mobilenet_v2": plain_mobilenet_v2, "vit_small": plain_vit_small}
    network = others[name]() if name in others else plain_resnet(name)
    scramble(network)
    return network.eval()


def switchable(name: str) -> Backbone:
    """Return the untrained backbone."""
    backbone: Backbone = parts.load("networks.backbones", name).build(3, WIDTHS).eval()
    return backbone


@pytest.mark.parametrize("name", NAMES)
def test_full_width_equals_the_plain_network(name: str, tmp_path: Path):
    """Of a state dict that people have: same weights, same output; the classifier is left aside."""
    reference, backbone = plain(name), switchable(name)
    torch.save(reference.state_dict(), tmp_path / "weights.pth")
    load_pretrained(backbone, tmp_path / "weights.pth")
    images = torch.randn(2, 3, *((224, 224) if name == "vit_small" else (64, 32)))
    with torch.inference_mode():
        expected = reference(images)
        assert expected.std() > 0.01
        torch.testing.assert_close(backbone(images, 2), expected, rtol=1e-4, atol=1e-4)


def test_places_are_interpolated_for_other_images(tmp_path: Path):
    """Persons of 256 x 128 pixels: the plain network with its places resized by Pillow."""
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
    """The names of timm, in the alphabetical order of such files."""
    weights, (first, second) = plain(name).state_dict(), (switchable(name), switchable(name))
    torch.save({"state_dict": weights, "epoch": 90}, tmp_path / "wrapped.pth")
    renamed = as_timm(weights) if name == "mobilenet_v2" else dict(sorted(weights.items()))
    save_file(renamed, tmp_path / "timm.safetensors")
    load_pretrained(first, tmp_path / "wrapped.pth")
    load_pretrained(second, tmp_path / "timm.safetensors")
    expected = first.state_dict()
    for key, tensor in second.state_dict().items():
        assert torch.equal(tensor, expected[key]), key


def test_smaller_batch_norms_take_the_leading_channels(tmp_path: Path):
    """Weights and statistics of each sub-model are the first ones of the full network."""
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
    """So do queries, keys and values, whose rows timm has one on the other."""
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
    """One width for itself starts from what the switchable network's sub-model starts from."""
    torch.save(plain(name).state_dict(), tmp_path / "weights.pth")
    backbone = switchable(name)
    alone = parts.load("networks.backbones", name).build(3, (0.25,)).eval()
    load_pretrained(backbone, tmp_path / "weights.pth")
    load_pretrained(alone, tmp_path / "weights.pth", width=0.25)
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        torch.testing.assert_close(alone(images, 0), backbone(images, 0))


def test_weights_of_another_network_are_refused(tmp_path: Path):
    """The number of convolutions tells, else the first shape that differs."""
    path = tmp_path / "weights.pth"
    torch.save(plain("resnet50").state_dict(), path)
    with pytest.raises(ConfigError, match=r"with the 20 convolutions .* Found 53 in"):
        load_pretrained(switchable("resnet18"), path)
    with pytest.raises(
        ConfigError, match=r"`layer1.0.conv1.weight` in .* Found \(64, 64, 1, 1\) in"
    ):
        load_pretrained(switchable("resnext50"), path)
    torch.save({"some": torch.zeros(3)}, path)
    with pytest.raises(ConfigError, match=r"Found 0 in"):
        load_pretrained(switchable("resnet18"), path)
    with pytest.raises(ConfigError, match=r"hold `patch_embed.proj.weight` in .* Found none in"):
        load_pretrained(switchable("vit_small"), path)


@pytest.mark.parametrize(
    ("name", "tensor", "found"),
    [
        ("resnet18", "layer4.1.bn2.running_var", None),
        ("resnet18", "layer4.1.bn2.running_var", torch.ones(5)),
        ("mobilenet_v2", "features.18.0.weight", None),
        ("mobilenet_v2", "features.18.0.weight", torch.ones(5)),
        ("vit_small", "blocks.11.mlp.fc1.bias", None),
        ("vit_small", "blocks.11.mlp.fc1.bias", torch.ones(5)),
    ],
)
def test_a_damaged_state_dict_is_refused(
    name: str, tensor: str, found: torch.Tensor | None, tmp_path: Path
):
    """The tensor that is missing or has another shape is named."""
    weights = plain(name).state_dict()
    del weights[tensor]
    if found is not None:
        weights[tensor] = found
    torch.save(weights, tmp_path / "weights.pth")
    sizes = "none" if found is None else r"\(5,\)"
    with pytest.raises(ConfigError, match=rf"hold `{tensor}` in .* Found {sizes} in"):
        load_pretrained(switchable(name), tmp_path / "weights.pth")


@pytest.mark.parametrize("found", [torch.ones(()), torch.ones(4), torch.ones(4, 384)], ids=str)
def test_damaged_attention_is_refused(found: torch.Tensor, tmp_path: Path):
    """Rows that are not three times the channels."""
    weights = plain("vit_small").state_dict() | {"blocks.2.attn.qkv.weight": found}
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(ConfigError, match=r"hold `blocks.2.attn.q.weight` in"):
        load_pretrained(switchable("vit_small"), tmp_path / "weights.pth")


@pytest.mark.parametrize("name", ["missing.pth", "text.pth", "text.safetensors"])
def test_an_unreadable_file_is_one_sentence(name: str, tmp_path: Path):
    """Missing, or not of its kind."""
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(ConfigError, match=r"must be a readable file of weights") as error:
        load_pretrained(switchable("resnet18"), tmp_path / name)
    assert "\n" not in str(error.value)
