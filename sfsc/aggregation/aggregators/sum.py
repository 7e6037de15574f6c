"""The plain sum of the gradients: what -S baselines do (DESIGN.md 2.4)."""

import torch
from torch import Tensor

from sfsc.aggregation.base import Aggregator
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.config import Aggregation


class Sum(Aggregator):
    """Every row with weight 1."""

    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[str, Tensor]:
        """Return ones."""
        del generator  # nothing is random
        return dict.fromkeys(jacobian.shared_names, torch.ones(1, 1, 1))


def build(section: Aggregation) -> Sum:
    """Return the sum, which has no settings."""
    del section
    return Sum()
