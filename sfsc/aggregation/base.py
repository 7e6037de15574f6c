"""What an aggregator is: a function of M gradients that returns one update (DESIGN.md 2.3)."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from sfsc.aggregation.jacobian import Names, NestedJacobian


class Aggregator(ABC):
    """Turns a Jacobian into an update.

    Private parameters keep their plain gradient, and so do the weights that only the full model
    owns, unless an aggregator's definition says otherwise.
    """

    @abstractmethod
    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[Names, Tensor]:
        """Return the weights of the rows, as `NestedJacobian.combine` takes them.

        Args:
            jacobian: Gradients of M sub-models.
            generator: Source of all random choices, on the CPU.
        """

    def __call__(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the update: parameter name to tensor of the parameter's shape."""
        return jacobian.combine(self.weights(jacobian, generator))


def owner_share(m: int, device: torch.device) -> Tensor:
    """Return 1 over the number of sub-models that own each shell, 1 / (M - k), shape (M, 1).

    >>> owner_share(2, torch.device("cpu"))
    tensor([[0.5000],
            [1.0000]], dtype=torch.float64)
    """
    owners = torch.arange(m, 0, -1, device=device)
    return 1.0 / owners[:, None].double()
