"""Switchable layers crop channels as DESIGN.md 2.1 defines."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from sfsc.networks.switchable import (
    SwitchableBatchNorm,
    SwitchableConv2d,
    SwitchableLinear,
    block_leaves,
    crop_channels,
    leading_block,
    submodel_blocks,
)

WIDTHS = (0.25, 0.5, 1.0)


def test_crop_channels_rounds_and_keeps_one():
    """A sub-model has `round(r * channels)` channels, at least 1."""
    assert crop_channels(64, (0.01, 0.3, 1.0)) == (1, 19, 64)


@pytest.mark.parametrize("switch", range(3))
@pytest.mark.parametrize(
    ("groups", "crop_input"),
    [(1, True), (1, False), (4, True), (8, True)],
    ids=["plain", "first", "grouped", "depthwise"],
)
class TestConvolution:
    """Plain, first-layer, grouped and depthwise convolutions."""

    def test_uses_the_leading_block_only(self, switch: int, groups: int, crop_input: bool):
        """The output is that of a convolution with the leading block of the weight."""
        layer = SwitchableConv2d(8, 8, 3, widths=WIDTHS, groups=groups, crop_input=crop_input)
        n_in, n_out = layer.in_channels[switch], (2, 4, 8)[switch]
        x = torch.randn(2, n_in, 5, 5)
        n_groups = {1: 1, 4: n_out // 2, 8: n_out}[groups]
        weight = layer.weight[:n_out, : n_in // n_groups]
        expected = nn.functional.conv2d(x, weight, padding=1, groups=n_groups)
        assert torch.equal(layer(x, switch), expected)

    def test_weights_outside_the_block_do_not_matter(
        self, switch: int, groups: int, crop_input: bool
    ):
        """Changing every weight outside the block leaves the output as it was."""
        layer = SwitchableConv2d(8, 8, 3, widths=WIDTHS, groups=groups, crop_input=crop_input)
        x = torch.randn(2, layer.in_channels[switch], 5, 5)
        before = layer(x, switch)
        block = tuple(slice(n) for n in layer.block(switch)["weight"])
        outside = torch.ones_like(layer.weight, dtype=torch.bool)
        outside[block] = False
        with torch.no_grad():
            layer.weight[outside] = torch.nan
        assert torch.equal(layer(x, switch), before)

    def test_dense_twin_is_equal(self, switch: int, groups: int, crop_input: bool):
        """The extracted layer is a plain convolution with the same output."""
        layer = SwitchableConv2d(8, 8, 3, widths=WIDTHS, groups=groups, crop_input=crop_input)
        x = torch.randn(2, layer.in_channels[switch], 5, 5)
        dense = layer.dense(switch)
        assert type(dense) is nn.Conv2d
        assert torch.equal(dense(x), layer(x, switch))


@pytest.mark.parametrize("groups", [4, 8])
def test_groups_of_a_single_narrow_network(groups: int):
    """A network of one width below 1 has the groups of that sub-model."""
    alone = SwitchableConv2d(8, 8, 3, widths=(0.5,), groups=groups)
    shared = SwitchableConv2d(8, 8, 3, widths=(0.5, 1.0), groups=groups)
    assert alone.groups == (groups // 2,)
    assert alone.block(0) == shared.block(0)


def test_convolution_refuses_to_cut_a_group():
    """Widths that would leave part of a group are refused with the channels they leave."""
    with pytest.raises(ValueError, match="whole groups") as error:
        SwitchableConv2d(8, 8, 3, widths=(0.375, 1.0), groups=4)
    assert str(error.value) == (
        "Each sub-model must keep whole groups of a grouped convolution, here of 2 input and 2 "
        "output channels. Found `in_channels = 3`, `out_channels = 3`; choose widths that leave a "
        "whole number of groups."
    )


@pytest.mark.parametrize("switch", range(3))
def test_linear_crops_its_input_only(switch: int):
    """Every sub-model's output has the full dimension."""
    layer = SwitchableLinear((2, 4, 8), (6, 6, 6))
    x = torch.randn(3, (2, 4, 8)[switch])
    expected = x @ layer.weight[:, : x.shape[1]].T + layer.bias
    torch.testing.assert_close(layer(x, switch), expected)
    torch.testing.assert_close(layer.dense(switch)(x), expected)


@pytest.mark.parametrize("switch", range(3))
def test_linear_uses_the_leading_block_only(switch: int):
    """Weights outside the block do not change the output; the plain layer's output is equal."""
    layer = SwitchableLinear((2, 4, 8), (3, 6, 9))
    x = torch.randn(5, 7, (2, 4, 8)[switch])
    before = layer(x, switch)
    assert before.shape == (5, 7, (3, 6, 9)[switch])
    kept = {name: torch.zeros_like(p, dtype=torch.bool) for name, p in layer.named_parameters()}
    for name, shape in layer.block(switch).items():
        leading_block(kept[name], shape).logical_not_()
        layer.get_parameter(name).data[~kept[name]] = torch.nan
    assert torch.equal(layer(x, switch), before)
    assert torch.equal(layer.dense(switch)(x), before)


def test_batch_norms_are_private():
    """Training one sub-model leaves the other's weights and statistics alone."""
    layer = SwitchableBatchNorm((2, 4))
    before = {k: v.clone() for k, v in layer.private[0].state_dict().items()}
    layer(torch.randn(8, 4, 3, 3) + 5.0, 1)
    assert all(torch.equal(v, before[k]) for k, v in layer.private[0].state_dict().items())
    assert not torch.equal(layer.private[1].running_mean, torch.zeros(4))


def test_blocks_of_smaller_sub_models_are_nested():
    """Each dimension of a shared parameter's block grows with the width."""
    layer = SwitchableConv2d(8, 16, 3, widths=WIDTHS)
    shapes = [submodel_blocks(layer, switch)["weight"] for switch in range(3)]
    assert shapes == [(4, 2, 3, 3), (8, 4, 3, 3), (16, 8, 3, 3)]


def test_leaves_share_memory_and_take_block_gradients():
    """A leaf is a view of the parameter, and its gradient has the block's shape."""
    layer = SwitchableConv2d(8, 8, 3, widths=WIDTHS)
    leaves = block_leaves(dict(layer.named_parameters()), submodel_blocks(layer, 0))
    assert leaves["weight"].data_ptr() == layer.weight.data_ptr()
    output = functional_call(layer, leaves, (torch.randn(1, 2, 4, 4), 0))
    (gradient,) = torch.autograd.grad(output.sum(), [leaves["weight"]])
    assert gradient.shape == (2, 2, 3, 3)


@pytest.mark.parametrize("size", [7, 8, 9, 24])
def test_a_stride_of_a_1_x_1_convolution_is_that_of_torch(size: int):
    """Subsampling the map first changes neither outputs nor gradients."""
    layer = SwitchableConv2d(4, 8, 1, widths=(0.5, 1.0), stride=2)
    x = torch.randn(3, 4, size, size, requires_grad=True)
    ours = layer(x, 1)
    theirs = functional.conv2d(x, layer.weight, stride=2)
    torch.testing.assert_close(ours, theirs)
    inputs, direction = (x, layer.weight), torch.randn_like(theirs)
    for a, b in zip(
        torch.autograd.grad(ours, inputs, direction),
        torch.autograd.grad(theirs, inputs, direction),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc checks the heap on Linux alone")
def test_training_leaves_foreign_memory_alone():
    """Kernels without AVX-512 once wrote out of bounds with few channels."""
    program = """
import torch
from sfsc.networks.build import EmbeddingNetwork
torch.set_num_threads(1)
network = EmbeddingNetwork("small_resnet", widths=(0.125, 1.0), embedding_dim=8, image_channels=3)
network = network.to(memory_format=torch.channels_last).train()
for _ in range(5):
    images = torch.randn(16, 3, 24, 24).to(memory_format=torch.channels_last)
    network(images, 0).embedding.square().sum().backward()
    others = [torch.randn(n) for n in (10, 37, 100, 501, 1000, 10000)]
"""
    older = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MALLOC_CHECK_": "3"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | older, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr
