"""Multiple-gradient descent (Desideri, 2012), by TorchJD.

The convex combination of the rows of least norm (solver of Sener and Koltun, arXiv 1810.04650),
times the number of rows. It is near zero where a row is: a sub-model that has converged stops the
others.

>>> import torch
>>> from sfsc.aggregation.jacobian import NestedJacobian
>>> rows = [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([0.0, 2.0])}]
>>> mgda = GramianWeighted(MGDAWeighting(), "whole")
>>> mgda(NestedJacobian(rows), torch.Generator())["w"].round(decimals=2)
tensor([1.6000, 0.8000])
"""

from torchjd.aggregation import MGDAWeighting

from sfsc.aggregation.gramian_weighted import GramianSettings, GramianWeighted


class Settings(GramianSettings):
    """Multiple-gradient descent."""


def build(settings: Settings) -> GramianWeighted:
    """Return multiple-gradient descent with these settings."""
    return GramianWeighted(MGDAWeighting(), settings.granularity, settings.reduction)
