"""The cost of a sub-model: multiply-accumulates and parameters."""

from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sfsc.networks.build import Network
from sfsc.networks.extract import extract


@dataclass(frozen=True)
class Cost:
    """Cost of one sub-model."""

    macs: int
    """Multiply-accumulates of convolutions, linear layers and attention for one image."""
    parameters: int
    """Parameters of the extracted sub-model, without the statistics of batch norms."""


def cost(network: Network, switch: int, image_shape: tuple[int, int, int]) -> Cost:
    """Count the multiply-accumulates and parameters of one sub-model.

    >>> from sfsc.networks.build import EmbeddingNetwork
    >>> network = EmbeddingNetwork(
    ...     "small_resnet", widths=(0.25, 1.0), embedding_dim=8, image_channels=3
    ... )
    >>> cost(network, 0, (3, 24, 24))
    Cost(macs=615424, parameters=19852)

    Args:
        network: A switchable network, or one network per width.
        switch: Index of the sub-model.
        image_shape: (C, H, W).
    """
    dense = extract(network, switch).eval()
    # The counter does not know the fused attention of CPUs, only its matrix multiplications.
    plain = sdpa_kernel(SDPBackend.MATH)
    with torch.no_grad(), plain, FlopCounterMode(display=False) as counter:
        dense(torch.zeros(1, *image_shape))
    parameters = sum(parameter.numel() for parameter in dense.parameters())
    return Cost(macs=counter.get_total_flops() // 2, parameters=parameters)
