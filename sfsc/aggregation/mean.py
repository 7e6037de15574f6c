"""The mean of the gradients over the sub-models that own a weight (DESIGN.md 2.3)."""

import torch
from torch import Tensor

from sfsc.aggregation.base import Aggregator
from sfsc.aggregation.jacobian import NestedJacobian


class Mean(Aggregator):
    """Every row with weight 1 over the number of the shell's owners.

    What only the full model owns thus keeps its plain gradient.
    """

    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[str, Tensor]:
        """Return 1 / (M - k) on shell k."""
        del generator  # nothing is random
        return dict.fromkeys(jacobian.shared_names, owner_share(jacobian)[None])


def owner_share(jacobian: NestedJacobian) -> Tensor:
    """Return 1 over the number of sub-models that own each shell: 1 / (M - k), shape (M, 1)."""
    owners = torch.arange(len(jacobian.rows), 0, -1, device=jacobian.device)
    return 1.0 / owners[:, None].double()
