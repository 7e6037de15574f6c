"""The mean of the gradients over the sub-models that own a weight (DESIGN.md 2.3)."""

import torch
from torch import Tensor

from sfsc.aggregation.base import Aggregator, owner_share
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.settings.section import Part


class Settings(Part):
    """The mean has no settings."""


class Mean(Aggregator):
    """Every row with weight 1 over the number of the shell's owners.

    What only the full model owns thus keeps its plain gradient.
    """

    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[str, Tensor]:
        """Return 1 / (M - k) on shell k."""
        del generator  # nothing is random
        return dict.fromkeys(jacobian.shared_names, owner_share(jacobian)[None])


def build(settings: Settings) -> Mean:
    """Return the mean."""
    del settings
    return Mean()
