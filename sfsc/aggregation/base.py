"""The contracts of aggregation: from M gradients to one update (DESIGN.md 2.3)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sfsc.aggregation.jacobian import NestedJacobian


class Aggregator(ABC):
    """A Jacobian to an update.

    Private parameters, and on the outermost shell those that only the full model owns, keep their
    plain gradient unless an aggregator's definition says otherwise.
    """

    @abstractmethod
    def weights(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the weights of the rows, as `NestedJacobian.combine` takes them.

        Args:
            jacobian: Gradients of M sub-models; one alone shares nothing and has no weights.
            generator: Source of every random choice, on the CPU.
        """

    def __call__(self, jacobian: NestedJacobian, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the update: parameter name to tensor of the parameter's shape."""
        return jacobian.combine(self.weights(jacobian, generator))


def map_distinct(
    solve: Callable[[Tensor], Tensor], compared: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Apply `solve` once to the Gramians of all parameters; one that several share goes in once.

    On the CPU, where so little is computed sooner than a GPU is told to.

    Args:
        solve: Gramians (K, S, M, M) to weights (K, S, M), each kernel for itself.
        compared: Parameter name to Gramians, from `NestedJacobian.gramians`.

    Returns:
        Parameter name to weights; one tensor for the parameters that share a Gramian.
    """
    distinct = {id(gramian): gramian for gramian in compared.values()}
    if not distinct:
        return {}
    solved = solve(torch.cat(list(distinct.values())).cpu())
    kernels = [len(gramian) for gramian in distinct.values()]
    weights = dict(zip(distinct, torch.split(solved, kernels), strict=True))
    return {name: weights[id(gramian)] for name, gramian in compared.items()}


def owner_share(jacobian: NestedJacobian) -> Tensor:
    """Return 1 over the number of sub-models that own each shell: 1 / (M - k), shape (M, 1)."""
    owners = torch.arange(len(jacobian.rows), 0, -1)
    return 1.0 / owners[:, None].double()
