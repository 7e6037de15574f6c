"""From a map of features to one vector: the average, or a generalised mean."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sfsc.networks.switchable import PrivateLayers

SMALLEST = 1e-6
"""Features are raised to this, as a power of a negative number is none."""


class AveragePooling(nn.Module):
    """The mean over all places.

    Args:
        switches: Number of sub-models.
    """

    def __init__(self, switches: int) -> None:
        super().__init__()
        del switches  # nothing is private

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map (B, F, H, W) to (B, F)."""
        del switch
        return x.mean(dim=(2, 3))


class GeneralisedMean(nn.Module):
    """The generalised mean (GeM) over all places: (mean x^p)^(1/p).

    Radenovic et al., arXiv 1711.02512, eq. 3. Exponent 1 is the average, infinity the maximum.

    Args:
        exponent: p at the start; it is trained.
    """

    def __init__(self, exponent: float = 3.0) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor([exponent]))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, F, H, W) to (B, F)."""
        powers = x.clamp(min=SMALLEST).pow(self.exponent)
        return powers.mean(dim=(2, 3)).pow(1.0 / self.exponent)


class SwitchableGeneralisedMean(PrivateLayers):
    """A generalised mean for each sub-model, its exponent private like a batch norm.

    Args:
        switches: Number of sub-models.
    """

    def __init__(self, switches: int) -> None:
        super().__init__(GeneralisedMean() for _ in range(switches))


POOLINGS: dict[str, Callable[[int], nn.Module]] = {
    "average": AveragePooling,
    "gem": SwitchableGeneralisedMean,
}
