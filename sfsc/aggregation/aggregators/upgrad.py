"""UPGrad (Quinton and Rey, arXiv 2406.16232), by TorchJD.

The sum of the rows, each projected onto the dual cone of all rows, so that no row has a negative
inner product with the update. Without conflict it is the plain sum.

>>> import torch
>>> from sfsc.aggregation.jacobian import NestedJacobian
>>> rows = [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([-1.0, 1.0])}]
>>> upgrad = GramianWeighted(UPGradWeighting(), "whole")
>>> upgrad(NestedJacobian(rows), torch.Generator())["w"].round(decimals=2)
tensor([0.5000, 1.5000])
"""

from torchjd.aggregation import UPGradWeighting

from sfsc.aggregation.gramian_weighted import GramianSettings, GramianWeighted


class Settings(GramianSettings):
    """UPGrad."""


def build(settings: Settings) -> GramianWeighted:
    """Return UPGrad with these settings."""
    return GramianWeighted(UPGradWeighting(), settings.granularity, settings.reduction)
