"""The cost of a sub-model is that of its extracted layers."""

import pytest
import torch
from torch import Tensor, nn

from sfsc.networks.build import KINDS, EmbeddingNetwork
from sfsc.networks.cost import cost
from sfsc.networks.extract import extract
from sfsc.settings import parts

SHAPE = (3, 32, 32)
TOKENS = 1 + 2 * 2
"""Tokens of `vit_small` for images of 32 pixels."""


def count_macs(dense: nn.Module) -> int:
    """Return the multiply-accumulates of one image, one per weight of each output."""
    counts: list[int] = []

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        counts.append(output.numel() * layer.weight[0].numel())

    for layer in dense.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        dense(torch.zeros(1, *SHAPE))
    return sum(counts)


@pytest.mark.parametrize("backbone", parts.names("networks.backbones"))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("switch", "heads"), [(0, 2), (1, 6)])
def test_every_layer_counts(backbone: str, kind: str, switch: int, heads: int):
    """Depthwise convolutions, strides, cropped layers and attention included."""
    network = KINDS[kind](backbone, widths=(0.25, 1.0), embedding_dim=16, image_channels=3)
    dense = extract(network, switch).eval()
    expected = count_macs(dense)
    if backbone == "vit_small":  # scores of all pairs of tokens, and their weighted values
        expected += 12 * 2 * TOKENS**2 * 64 * heads
    found = cost(network, switch, SHAPE)
    assert found.macs == expected > 0
    assert found.parameters == sum(parameter.numel() for parameter in dense.parameters())


def test_cost_of_a_known_network():
    """Multiply-accumulates and parameters of the smallest sub-model, counted by hand."""
    network = EmbeddingNetwork("small_resnet", widths=(0.125,), embedding_dim=8, image_channels=1)
    channels = (2, 2, 4, 8, 16)
    maps = (16, 16, 8, 4, 2)
    macs = maps[0] ** 2 * 9 * 1 * 2 + 16 * 8
    parameters = 9 * 1 * 2 + 2 * 2 + 16 * 8 + 8 + 2 * 8
    for stage in range(1, 5):
        n_in, n_out, area = channels[stage - 1], channels[stage], maps[stage] ** 2
        macs += area * 9 * (n_in * n_out + n_out * n_out)
        parameters += 9 * (n_in * n_out + n_out * n_out) + 4 * n_out
        if stage > 1:
            macs += area * n_in * n_out
            parameters += n_in * n_out + 2 * n_out
    found = cost(network, 0, (1, 16, 16))
    assert (found.macs, found.parameters) == (macs, parameters)
