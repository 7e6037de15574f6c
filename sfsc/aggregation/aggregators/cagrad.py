"""Conflict-averse gradient descent (Liu et al., arXiv 2110.14048, algorithm 1), by TorchJD.

The update that maximises the worst row's improvement within a ball around the rows' mean, times the
number of rows. It is zero where a convex combination of the rows is.

>>> import torch
>>> from sfsc.aggregation.jacobian import NestedJacobian
>>> rows = [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([0.0, 1.0])}]
>>> cagrad = GramianWeighted(CAGradWeighting(c=RADIUS), "whole")
>>> cagrad(NestedJacobian(rows), torch.Generator())["w"].round(decimals=2)
tensor([1.5000, 1.5000])
"""

from torchjd.aggregation import CAGradWeighting

from sfsc.aggregation.gramian_weighted import GramianSettings, GramianWeighted

RADIUS = 0.5
"""c: radius of the ball divided by the norm of the mean. The mean loss converges for c in [0, 1); 0
gives the mean. Our choice."""


class Settings(GramianSettings):
    """Conflict-averse gradient descent."""


def build(settings: Settings) -> GramianWeighted:
    """Return conflict-averse gradient descent with these settings."""
    return GramianWeighted(CAGradWeighting(c=RADIUS), settings.granularity, settings.reduction)
