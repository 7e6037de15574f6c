"""A backbone that starts from the weights in a file is the network that they are of."""

from pathlib import Path

import pytest
import torch
from plain_networks import as_timm, plain_mobilenet_v2, plain_resnet, scramble
from safetensors.torch import save_file
from torch import nn

from sfsc import parts
from sfsc.errors import ConfigError
from sfsc.networks.backbone import Backbone
from sfsc.networks.pretrained import load_pretrained
from sfsc.networks.resnet import ConvNorm

WIDTHS = (0.25, 0.5, 1.0)
NAMES = ("resnet18", "resnet50", "resnext50", "mobilenet_v2")


def plain(name: str) -> nn.Module:
    """Return the plain network of random weights and statistics."""
    torch.manual_seed(0)
    network = plain_mobilenet_v2() if name == "mobilenet_v2" else plain_resnet(name)
    scramble(network)
    return network.eval()


def switchable(name: str) -> Backbone:
    """Return the untrained backbone."""
    backbone: Backbone = parts.load("networks.backbones", name).build(3, WIDTHS).eval()
    return backbone


@pytest.mark.parametrize("name", NAMES)
def test_full_width_equals_the_plain_network(name: str, tmp_path: Path):
    """Of a torchvision state dict: same weights, same output; the classifier is left aside."""
    reference, backbone = plain(name), switchable(name)
    torch.save(reference.state_dict(), tmp_path / "weights.pth")
    load_pretrained(backbone, tmp_path / "weights.pth")
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        expected = reference(images)
        assert expected.std() > 0.01
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


@pytest.mark.parametrize(
    ("name", "tensor", "found"),
    [
        ("resnet18", "layer4.1.bn2.running_var", None),
        ("resnet18", "layer4.1.bn2.running_var", torch.ones(5)),
        ("mobilenet_v2", "features.18.0.weight", None),
        ("mobilenet_v2", "features.18.0.weight", torch.ones(5)),
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


@pytest.mark.parametrize("name", ["missing.pth", "text.pth", "text.safetensors"])
def test_an_unreadable_file_is_one_sentence(name: str, tmp_path: Path):
    """Missing, or not of its kind."""
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(ConfigError, match=r"must be a readable file of weights") as error:
        load_pretrained(switchable("resnet18"), tmp_path / name)
    assert "\n" not in str(error.value)
