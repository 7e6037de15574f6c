"""ResNet-50 and ResNeXt-50 are the published ones; that they compute the same, test_pretrained."""

from inspect import signature

import pytest
import torch
from plain_networks import plain_resnet

from sfsc.networks.backbones import resnet18
from sfsc.networks.resnet import Bottleneck
from sfsc.settings import parts


@pytest.mark.parametrize(
    ("name", "millions"), [("resnet18", 11.690), ("resnet50", 25.557), ("resnext50", 25.029)]
)
def test_as_many_parameters_as_published(name: str, millions: float):
    """The plain network has a classifier of ImageNet's 1,000 classes besides."""
    plain = plain_resnet(name)
    assert sum(p.numel() for p in plain.parameters()) / 1e6 == pytest.approx(millions, abs=0.001)
    count = sum(p.numel() for p in plain.parameters()) - sum(
        p.numel() for p in plain.fc.parameters()
    )
    network = parts.load("networks.backbones", name).build(3, (1.0,))
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize(("reduction", "expected"), [(8, 12), (16, 6), (32, 3)])
def test_the_last_map_of_resnet18_is_smaller_by_the_reduction(reduction: int, expected: int):
    """Images of 96 pixels; the paper's reduction is the default."""
    network = resnet18.build(3, (0.25, 1.0), reduction=reduction).eval()
    assert network(torch.randn(1, 3, 96, 96), 0).shape[2:] == (expected, expected)
    default = signature(resnet18.build).parameters["reduction"].default
    assert default == resnet18.Settings().reduction == 32


def test_a_group_is_not_cut_in_two():
    """A width that leaves no whole groups is refused with what was found."""
    with pytest.raises(ValueError, match=r"whole groups .* Found `in_channels = 43`"):
        Bottleneck(64, 256, stride=1, widths=(1 / 3, 1.0), groups=32, reduction=2)
