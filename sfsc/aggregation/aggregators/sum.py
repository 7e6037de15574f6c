"""The plain sum of the gradients: what -S baselines do (DESIGN.md 2.4)."""

import torch
from torch import Tensor

from sfsc.aggregation.base import Aggregator
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.settings.section import Part


class Settings(Part):
    """The sum has no settings."""


class Sum(Aggregator):
    """Every row with weight 1."""

    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[str, Tensor]:
        """Return ones."""
        del generator  # nothing is random
        return dict.fromkeys(jacobian.shared_names, torch.ones(1, 1, 1))


def build(settings: Settings) -> Sum:
    """Return the sum."""
    del settings
    return Sum()
