"""The mean of the gradients over the sub-models that own a weight (DESIGN.md 2.3)."""

import torch
from torch import Tensor

from sfsc.aggregation.base import Aggregator, owner_share
from sfsc.aggregation.jacobian import Names, NestedJacobian
from sfsc.settings.section import Part


class Settings(Part):
    """The mean has no settings."""


class Mean(Aggregator):
    """Gives every row the weight 1 over the number of the shell's owners.

    The weights that only the full model owns thus keep their plain gradient.

    >>> rows = [{"w": torch.tensor([2.0])}, {"w": torch.tensor([-1.0, 7.0])}]
    >>> Mean()(NestedJacobian(rows), torch.Generator())["w"]
    tensor([0.5000, 7.0000])
    """

    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[Names, Tensor]:
        """Return 1 / (M - k) on shell k."""
        del generator  # nothing is random
        return {jacobian.shared_names: owner_share(len(jacobian.rows), jacobian.device)[None]}


def build(settings: Settings) -> Mean:
    """Return the mean."""
    del settings
    return Mean()
