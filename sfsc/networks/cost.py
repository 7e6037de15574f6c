"""What a sub-model costs: multiply-accumulates and parameters."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

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

    Args:
        network: A switchable network, or one network per width.
        switch: Index of the sub-model.
        image_shape: (C, H, W).
    """
    dense = extract(network, switch).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        dense(torch.zeros(1, *image_shape))
    parameters = sum(parameter.numel() for parameter in dense.parameters())
    return Cost(macs=counter.get_total_flops() // 2, parameters=parameters)
