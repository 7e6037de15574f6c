"""The sub-models' gradients as one Jacobian whose rows live on nested blocks (DESIGN.md 2.3).

Row i is the gradient of sub-model i's loss. Of a shared parameter it holds the leading block that
the sub-model uses; the blocks of larger sub-models contain those of smaller ones. *Shell* k of a
parameter is what sub-model k uses and no smaller one does. All that an aggregator needs to know of
the rows are their inner products on the shells: small (M, M) Gramians. The update is then one
weighted sum of the rows on each shell.

Both are computed on matrices that hold, for each k, the rows on block k of all shared parameters,
one parameter after the other: a few large products instead of some for each parameter, which on a
GPU would take longer to launch than to compute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from sfsc.networks.switchable import leading_block

Granularity = Literal["nested", "whole", "layer", "kernel"]

CHUNK = 1024
"""Products of float32 that are added up in float32, the sums of chunks in float64."""


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

    @cached_property
    def names(self) -> list[str]:
        """Names of all parameters."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    @cached_property
    def shared_names(self) -> list[str]:
        """Names of the parameters that all sub-models share; none if there is one sub-model."""
        first, *others = self.rows
        return [name for name in first if others and all(name in row for row in others)]

    @cached_property
    def blocks(self) -> list[Tensor]:
        """Of each sub-model k but the full one, rows k, k + 1, ... on its block, (M - k, N_k).

        N_k runs over the shared parameters, each as it lies in memory channels last.
        """
        return self.gather_blocks()

    def gather_blocks(self) -> list[Tensor]:
        """Return a copy of the gradients as `blocks`."""
        if not self.shared_names:
            return []
        gathered = []
        for k, row in enumerate(self.rows[:-1]):
            owned = [_in_memory_order(row[name]) for name in self.shared_names]
            sizes = [part.numel() for part in owned]
            block = owned[0].new_empty((len(self.rows) - k, sum(sizes)))
            torch.cat([part.reshape(-1) for part in owned], out=block[0])
            for target, larger in zip(block[1:], self.rows[k + 1 :], strict=True):
                parts = [
                    _in_memory_order(leading_block(larger[name], row[name].shape))
                    for name in self.shared_names
                ]
                views = zip(target.split(sizes), parts, strict=True)
                torch._foreach_copy_([view.view(part.shape) for view, part in views], parts)
            gathered.append(block)
        return gathered

    def gramians(self, granularity: Granularity) -> dict[str, Tensor]:
        """Return, for each shared parameter, the Gramians that a granularity compares.

        * `whole`: one Gramian of the zero-padded vectors of all shared parameters;
        * `nested`: one per shell, of all shared parameters together;
        * `layer`: one per shell, of each parameter tensor for itself;
        * `kernel`: one per shell, of each output channel of each parameter for itself.

        Returns:
            Parameter name to float64 tensor (K, S, M, M): kernel, shell, row, row; K = 1 unless
            `kernel`, S = 1 if `whole`, otherwise M. A row that does not own a shell has zeros
            there. Parameters that are compared together have the same tensor.
        """
        if not self.shared_names:
            return {}
        full = [_in_memory_order(self.rows[-1][name]) for name in self.shared_names]
        if granularity in {"layer", "kernel"}:
            per_kernel = granularity == "kernel"
            parts = [self._parts(k, per_kernel=per_kernel) for k in range(len(self.blocks))]
            parts.append([g.reshape(len(g) if per_kernel else 1, 1, -1) for g in full])
            shells = [
                _shells(
                    [_products(part) for part in blocks], [row[name].shape for row in self.rows]
                )
                for name, *blocks in zip(self.shared_names, *parts, strict=True)
            ]
            return dict(zip(self.shared_names, shells, strict=True))
        squares = torch.stack(torch._foreach_norm(full)).double().square().sum()
        products = [*(_products(block[None]) for block in self.blocks), squares.reshape(1, 1, 1)]
        sizes = [*(block.shape[1] for block in self.blocks), sum(g.numel() for g in full)]
        total = _shells(products, sizes)
        if granularity == "whole":
            total = total.sum(dim=1, keepdim=True)
        return dict.fromkeys(self.shared_names, total)

    def combine(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the update: on each shell one weighted sum of the rows.

        Args:
            weights: For each shared parameter a tensor that broadcasts to (K, M, M): kernel, shell,
                row; on any device. A private parameter has no weights and keeps its gradient.

        Returns:
            Parameter name to update, of the parameter's shape.
        """
        names, m = self.shared_names, len(self.rows)
        private = {name: g for row in self.rows for name, g in row.items() if name not in names}
        if not names:
            return private
        full = [self.rows[-1][name] for name in names]
        moved = {
            id(w): w.to(full[0].device, full[0].dtype).expand(-1, m, m) for w in weights.values()
        }
        own = [moved[id(weights[name])] for name in names]
        is_common = len(moved) == 1 and len(own[0]) == 1
        if is_common:
            updates = list(torch._foreach_mul(full, own[0][0, -1, -1]))
        else:
            updates = [g * w[:, -1, -1].reshape(-1, *[1] * (g.dim() - 1))
                       for g, w in zip(full, own, strict=True)]  # fmt: skip
        # The largest block first, then what lies inside.
        for k in reversed(range(m - 1)):
            if is_common:
                sizes = [self.rows[k][name].numel() for name in names]
                sums = torch.split(own[0][0, k, k:] @ self.blocks[k], sizes)
            else:
                parts = self._parts(k, per_kernel=any(len(w) > 1 for w in own))
                sums = tuple(w[: len(part), k, None, k:] @ part
                             for w, part in zip(own, parts, strict=True))  # fmt: skip
            targets = [
                _in_memory_order(leading_block(update, self.rows[k][name].shape))
                for name, update in zip(names, updates, strict=True)
            ]
            sources = [s.reshape(t.shape) for s, t in zip(sums, targets, strict=True)]
            torch._foreach_copy_(targets, sources)
        return private | dict(zip(names, updates, strict=True))

    def _parts(self, k: int, *, per_kernel: bool) -> list[Tensor]:
        """Return block k by parameters: (K, M - k, n) each, K = 1 unless `per_kernel`."""
        shapes = [self.rows[k][name].shape for name in self.shared_names]
        parts = torch.split(self.blocks[k], [shape.numel() for shape in shapes], dim=1)
        return [
            part.view(len(part), shape[0] if per_kernel else 1, -1).transpose(0, 1)
            for part, shape in zip(parts, shapes, strict=True)
        ]


def _in_memory_order(block: Tensor) -> Tensor:
    """A view whose elements follow each other as channels-last weights lie in memory."""
    return block.permute(0, 2, 3, 1) if block.dim() == 4 else block


def _products(rows: Tensor) -> Tensor:
    """Return the inner products (K, R, R), float64, of rows (K, R, n)."""
    kernels, n_rows, n = rows.shape
    chunks = n // CHUNK if kernels == 1 else 0
    rest = rows[..., chunks * CHUNK :]
    products = torch.bmm(rest, rest.mT).double()
    if chunks:
        chunked = rows[0, :, : chunks * CHUNK].view(n_rows, chunks, CHUNK).transpose(0, 1)
        products += torch.bmm(chunked, chunked.mT).double().sum(dim=0)
    return products


def _shells(products: Sequence[Tensor], sizes: Sequence[object]) -> Tensor:
    """Return the inner products on shells, (K, M, M, M), of those on blocks.

    Args:
        products: For block k those of rows k, k + 1, ..., (K_k, M - k, M - k).
        sizes: Equal for equal blocks, between which there is no shell.
    """
    m = len(products)
    shells = products[-1].new_zeros((len(products[-1]), m, m, m))
    for k, block in enumerate(products):
        if k and sizes[k] == sizes[k - 1]:
            continue
        shells[: len(block), k, k:, k:] = block
        if k:
            shells[: len(products[k - 1]), k, k:, k:] -= products[k - 1][:, 1:, 1:]
    return shells
