"""MobileNetV2 is the paper's."""

from inspect import signature

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sfsc.networks.backbones.mobilenet_v2 import InvertedResidual, MobileNetV2, Settings, build


def test_full_network_costs_what_the_paper_says():
    """At 224 pixels: 300 million multiply-accumulates and 3.4 million parameters with classes."""
    network = MobileNetV2(3, reduction=32, widths=(1.0,)).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 224, 224), 0)
    classifier = 1280 * 1000
    assert counter.get_total_flops() // 2 + classifier == pytest.approx(300e6, rel=0.01)
    parameters = sum(p.numel() for p in network.parameters())
    assert parameters + classifier == pytest.approx(3.4e6, rel=0.04)


@pytest.mark.parametrize(("reduction", "side", "expected"), [(8, 32, 4), (16, 96, 6), (32, 224, 7)])
def test_the_last_map_is_smaller_by_the_reduction(reduction: int, side: int, expected: int):
    """Images of 32 pixels keep a map of 4 x 4; those of 224 end on 7 x 7."""
    network = build(3, (0.25, 1.0), reduction=reduction).eval()
    assert network(torch.randn(1, 3, side, side), 0).shape[2:] == (expected, expected)


def test_small_images_are_the_default():
    """The settings of a study that names the backbone alone are those of its function."""
    assert signature(build).parameters["reduction"].default == Settings().reduction == 8


@pytest.mark.parametrize("switch", range(2))
def test_an_inverted_residual_by_hand(switch: int):
    """Expansion by 6, one filter per channel, a linear projection, and the input added."""
    widths = (0.5, 1.0)
    block = InvertedResidual(4, 4, expansion=6, stride=1, widths=widths).eval()
    channels, inner = (2, 4)[switch], (12, 24)[switch]
    x = torch.randn(3, channels, 5, 5)
    conv = torch.nn.functional.conv2d
    scale = (1.0 + 1e-5) ** -0.5  # of a batch norm that has seen nothing
    y = (scale * conv(x, block.expand.conv.weight[:inner, :channels])).clamp(0.0, 6.0)
    filters = block.depthwise.conv.weight[:inner]
    y = (scale * conv(y, filters, padding=1, groups=inner)).clamp(0.0, 6.0)
    y = scale * conv(y, block.project.conv.weight[:channels, :inner])
    torch.testing.assert_close(block(x, switch), x + y)


@pytest.mark.parametrize(("out_channels", "stride"), [(4, 2), (6, 1)])
def test_no_shortcut_where_the_shape_changes(out_channels: int, stride: int):
    """A block that changes the map's shape returns its projection alone."""
    block = InvertedResidual(4, out_channels, expansion=6, stride=stride, widths=(1.0,))
    torch.nn.init.zeros_(block.project.conv.weight)
    assert torch.equal(block(torch.randn(2, 4, 6, 6), 0).unique(), torch.zeros(1))
