"""The contracts of aggregation: from M gradients to one update (DESIGN.md 2.3)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

from sfsc.aggregation.jacobian import NestedJacobian

Granularity = Literal["nested", "whole", "layer", "kernel"]


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


def gramians(jacobian: NestedJacobian, granularity: Granularity) -> dict[str, Tensor]:
    """Return, for each shared parameter, the Gramians that a granularity compares.

    * `whole`: one Gramian of the zero-padded vectors of all shared parameters;
    * `nested`: one per shell, of all shared parameters together;
    * `layer`: one per shell, of each parameter tensor for itself;
    * `kernel`: one per shell, of each output channel of each parameter for itself.

    Returns:
        Parameter name to tensor (K, S, M, M): kernel, shell, row, row; K = 1 unless `kernel`,
        S = 1 if `whole`, otherwise M.
    """
    names = jacobian.shared_names
    parts = {
        name: jacobian.shell_gramians(name, per_kernel=granularity == "kernel") for name in names
    }
    if granularity in {"layer", "kernel"} or not names:
        return parts
    total = torch.stack(list(parts.values())).sum(dim=0)  # (1, M, M, M)
    if granularity == "whole":
        total = total.sum(dim=1, keepdim=True)
    return dict.fromkeys(names, total)


def map_distinct(
    solve: Callable[[Tensor], Tensor], compared: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Apply `solve` once to the Gramians of all parameters; one that several share goes in once.

    Args:
        solve: Gramians (K, S, M, M) to weights (K, S, M), each kernel for itself.
        compared: Parameter name to Gramians, from `gramians`.

    Returns:
        Parameter name to weights.
    """
    distinct = {id(gramian): gramian for gramian in compared.values()}
    if not distinct:
        return {}
    solved = solve(torch.cat(list(distinct.values())))
    kernels = [len(gramian) for gramian in distinct.values()]
    weights = dict(zip(distinct, torch.split(solved, kernels), strict=True))
    return {name: weights[id(gramian)] for name, gramian in compared.items()}


def owner_share(jacobian: NestedJacobian) -> Tensor:
    """Return 1 over the number of sub-models that own each shell: 1 / (M - k), shape (M, 1)."""
    owners = torch.arange(len(jacobian.rows), 0, -1, device=jacobian.device)
    return 1.0 / owners[:, None].double()
