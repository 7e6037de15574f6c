"""What a sub-model costs: multiply-accumulates and parameters."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sfsc.networks.build import Network
from sfsc.networks.extract import extract


@dataclass(frozen=True)
class Cost:
    """Cost of one sub-model."""

    macs: int
    """Multiply-accumulates of convolutions and linear layers for one image."""
    parameters: int
    """Numbers that the extracted sub-model stores, batch-norm statistics not counted."""


def cost(network: Network, switch: int, image_shape: tuple[int, int, int]) -> Cost:
    """Count what embedding one image in sub-model `switch` costs.

    Counted layer by layer: torch's counter of operations would import its compiler, which takes a
    second of each training. A test compares the two.

    Args:
        network: A switchable network, or one network per width.
        switch: Index of the sub-model.
        image_shape: (C, H, W).
    """
    dense = extract(network, switch).eval()
    macs: list[int] = []

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        del inputs
        (weight, *_) = layer.parameters()
        macs.append(output.numel() * weight[0].numel())  # one product per weight of an output

    for layer in dense.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        dense(torch.zeros(1, *image_shape))
    parameters = sum(parameter.numel() for parameter in dense.parameters())
    return Cost(macs=sum(macs), parameters=parameters)
