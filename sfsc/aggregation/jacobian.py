"""The sub-models' gradients as one Jacobian whose rows live on nested blocks (DESIGN.md 2.3).

Row i is the gradient of sub-model i's loss. Of a shared parameter it holds the leading block that
the sub-model uses; the blocks of larger sub-models contain those of smaller ones. *Shell* k of a
parameter is what sub-model k uses and no smaller one does. All that an aggregator needs to know of
the rows are their inner products on the shells: small (M, M) Gramians. The update is then one
weighted sum of the rows on each shell.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sfsc.networks.switchable import leading_block


@dataclass(frozen=True)
class NestedJacobian:
    """Gradients of M sub-models.

    Raises:
        ValueError: If a parameter is neither in one row only nor in all rows.
    """

    rows: Sequence[Mapping[str, Tensor]]
    """For each sub-model, ascending in width, its gradient by parameter name, on its block."""

    def __post_init__(self) -> None:
        for name in self.names:
            count = sum(name in row for row in self.rows)
            if count not in {1, len(self.rows)}:
                raise ValueError(
                    "A parameter must be private to one sub-model or shared by all. Found "
                    f"`{name}` in {count} of {len(self.rows)} rows."
                )

    @property
    def names(self) -> list[str]:
        """Names of all parameters."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    @property
    def device(self) -> torch.device:
        """Device of the gradients."""
        return next(iter(self.rows[0].values())).device

    @property
    def shared_names(self) -> list[str]:
        """Names of the parameters that all sub-models share; none if there is one sub-model."""
        first, *others = self.rows
        return [name for name in first if others and all(name in row for row in others)]

    def shell_gramians(self, name: str, *, per_kernel: bool = False) -> Tensor:
        """Return the rows' inner products on each shell of a shared parameter.

        Args:
            name: Name of the parameter.
            per_kernel: Whether each output channel has Gramians of its own.

        Returns:
            Float64, shape (K, M, M, M): kernel (K = 1 unless `per_kernel`), shell, row, row. A row
            that does not own a shell has zeros there.
        """
        gradients = [row[name] for row in self.rows]
        m = len(gradients)
        kernels = gradients[-1].shape[0] if per_kernel else 1
        gramians = gradients[-1].new_zeros((kernels, m, m, m), dtype=torch.float64)
        inner, inner_first = gramians.new_zeros((0, m, m)), 0
        for first in _distinct_blocks(gradients):
            block = _block_gramians(gradients[first:], per_kernel=per_kernel)
            shell = gramians[: len(block), first, first:, first:]
            shell.copy_(block)
            shift = first - inner_first
            shell[: len(inner)] -= inner[:, shift:, shift:]
            inner, inner_first = block, first
        return gramians

    def combine(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the update: on each shell one weighted sum of the rows.

        Args:
            weights: For each shared parameter a tensor that broadcasts to (K, M, M): kernel, shell,
                row. A private parameter has no weights and keeps its gradient.

        Returns:
            Parameter name to update, of the parameter's shape.
        """
        shared = set(self.shared_names)
        return {
            name: _weighted_sum([row[name] for row in self.rows], weights[name])
            if name in shared
            else next(row[name] for row in self.rows if name in row)
            for name in self.names
        }


def _distinct_blocks(gradients: Sequence[Tensor]) -> Iterable[int]:
    """Yield the smallest owner of each distinct block, ascending."""
    for index, gradient in enumerate(gradients):
        if index == 0 or gradient.shape != gradients[index - 1].shape:
            yield index


def _block_gramians(gradients: Sequence[Tensor], *, per_kernel: bool) -> Tensor:
    """Inner products (K, R, R) of R rows on the first row's block."""
    shape = gradients[0].shape
    blocks = [_in_memory_order(leading_block(g, shape)) for g in gradients]
    if len(blocks) == 1 and not per_kernel:  # most of the weights: no copy for a mere norm
        norm: Tensor = torch.linalg.vector_norm(blocks[0])
        return norm.double().square().reshape(1, 1, 1)
    kernels = shape[0] if per_kernel else 1
    rows = torch.stack(blocks, dim=1 if per_kernel else 0).reshape(kernels, len(blocks), -1)
    return torch.bmm(rows, rows.mT).double()


def _in_memory_order(block: Tensor) -> Tensor:
    """A view whose elements follow each other as channels-last weights lie in memory."""
    return block.permute(0, 2, 3, 1) if block.dim() == 4 else block


def _weighted_sum(gradients: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Weighted sum of the rows, shell by shell: the largest block first, then what lies inside."""
    m = len(gradients)
    weights = weights.to(gradients[-1].dtype).expand(-1, m, m)  # (K, M, M)
    update = torch.empty_like(gradients[-1])
    for first in reversed(list(_distinct_blocks(gradients))):
        shape = gradients[first].shape
        scales = weights[: shape[0], first].reshape(-1, m, *(1,) * (len(shape) - 1))
        block = leading_block(update, shape)
        torch.mul(gradients[first], scales[:, first], out=block)
        for row in range(first + 1, m):
            block.addcmul_(leading_block(gradients[row], shape), scales[:, row])
    return update
