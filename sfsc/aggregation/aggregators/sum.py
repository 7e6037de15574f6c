"""The plain sum of the gradients, which the -S baselines use (DESIGN.md 2.4)."""

import torch
from torch import Tensor

from sfsc.aggregation.base import Aggregator
from sfsc.aggregation.jacobian import Names, NestedJacobian
from sfsc.settings.section import Part


class Settings(Part):
    """The sum has no settings."""


class Sum(Aggregator):
    """Gives every row the weight 1.

    >>> rows = [{"w": torch.tensor([2.0])}, {"w": torch.tensor([-1.0, 7.0])}]
    >>> Sum()(NestedJacobian(rows), torch.Generator())["w"]
    tensor([1., 7.])
    """

    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[Names, Tensor]:
        """Return ones."""
        del generator  # nothing is random
        return {jacobian.shared_names: torch.ones(1, 1, 1, device=jacobian.device)}


def build(settings: Settings) -> Sum:
    """Return the sum."""
    del settings
    return Sum()
