"""Pooling of a feature map to one vector: average or generalised mean (GeM)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sfsc.networks.switchable import PrivateLayers

SMALLEST = 1e-6
"""Lower bound of the features, as a power of a negative number is not real."""


class AveragePooling(nn.Module):
    """Mean over all positions, the same in every sub-model."""

    def forward(self, x: Tensor, switch: int) -> Tensor:
        """Map (B, F, H, W) to (B, F)."""
        del switch
        return x.mean(dim=(2, 3))


class GeneralisedMean(nn.Module):
    """Generalised mean over all positions: (mean x^p)^(1/p).

    Radenovic et al., arXiv 1711.02512, eq. 3. p = 1 is the average; p to infinity, the maximum.

    >>> pooled = GeneralisedMean(exponent=2.0)(torch.tensor([[[[1.0, 7.0]]]]))
    >>> round(pooled.item(), 4)  # 5^2 = (1^2 + 7^2) / 2
    5.0

    Args:
        exponent: Initial p; it is trained.
    """

    def __init__(self, exponent: float = 3.0) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor([exponent]))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, F, H, W) to (B, F)."""
        powers = x.clamp(min=SMALLEST).pow(self.exponent)
        return powers.mean(dim=(2, 3)).pow(1.0 / self.exponent)


class SwitchableGeneralisedMean(PrivateLayers):
    """A generalised mean for each sub-model, with its own exponent.

    Args:
        switches: M.
    """

    def __init__(self, switches: int) -> None:
        super().__init__(GeneralisedMean() for _ in range(switches))


POOLINGS: dict[str, Callable[[int], nn.Module]] = {
    "average": lambda _: AveragePooling(),
    "gem": SwitchableGeneralisedMean,
}
"""Builds a pooling for M sub-models, by name."""
