"""The sub-models' gradients as one Jacobian whose rows live on nested blocks (DESIGN.md 2.3).

Row i is the gradient of sub-model i's loss. For a shared parameter it covers the leading block that
the sub-model uses; the blocks of larger sub-models contain those of smaller ones. *Shell* k of a
parameter is what sub-model k uses and no smaller one does. An aggregator sees nothing of the rows
but their inner products on the shells, small (M, M) Gramians, and returns weights: on each shell
the update is one weighted sum of the rows.

Both are computed on one matrix per block, which holds the rows on that block of all shared
parameters, one parameter after another. A few large operations replace several per parameter,
which on a GPU take longer to launch than to run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod
from typing import Literal

import torch
from torch import Tensor

from sfsc.networks.switchable import leading_block

Granularity = Literal["nested", "whole", "layer", "kernel"]

Names = tuple[str, ...]
"""Parameters that are compared together: they share a Gramian and weights."""

Shapes = tuple[torch.Size, ...]
"""Shapes of one sub-model's blocks, one per shared parameter."""

CHUNK = 1024
"""Number of float32 products that are summed in float32; sums of chunks are added in float64."""


@dataclass(frozen=True)
class NestedJacobian:
    """Gradients of M sub-models.

    Raises:
        ValueError: If a parameter is neither in one row only nor in all rows.
    """

    rows: Sequence[Mapping[str, Tensor]]
    """For each sub-model, in ascending order of width: parameter name to gradient of its block."""

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
    def shared_names(self) -> Names:
        """Names of the parameters that all sub-models share; none if there is one sub-model."""
        first, *others = self.rows
        return tuple(name for name in first if others and all(name in row for row in others))

    @cached_property
    def shapes(self) -> list[Shapes]:
        """For each sub-model the shapes of its blocks of the shared parameters."""
        return [tuple(row[name].shape for name in self.shared_names) for row in self.rows]

    @property
    def device(self) -> torch.device:
        """Where the gradients are."""
        return next(iter(self.rows[-1].values())).device

    @cached_property
    def blocks(self) -> list[Tensor]:
        """For each sub-model k but the full one, rows k, k + 1, ... on its block, (M - k, N_k).

        N_k runs over the shared parameters, each flat in the order of channels-last memory.
        """
        return self.gather_blocks()

    def gather_blocks(self) -> list[Tensor]:
        """Compute `blocks` from the gradients as they are now."""
        if not self.shared_names:
            return []
        blocks: list[Tensor] = []
        for k in reversed(range(len(self.rows) - 1)):
            own = [_channels_last(self.rows[k][name]) for name in self.shared_names]
            size = sum(gradient.numel() for gradient in own)
            block = own[0].new_empty((len(self.rows) - k, size))
            torch.cat([gradient.reshape(-1) for gradient in own], out=block[0])
            if blocks:  # the larger rows have been cropped to the next larger block
                index = _positions(self.shapes[k], self.shapes[k + 1], self.device)
                for target, source in zip(block[1:], blocks[0], strict=True):
                    torch.index_select(source, 0, index, out=target)
            else:
                _copy(_views(block[1], self.shapes[k]), self._cropped(self.rows[-1], k))
            blocks.insert(0, block)
        return blocks

    def gramians(self, granularity: Granularity) -> dict[Names, Tensor]:
        """Return the rows' inner products, for each group of parameters that are compared together.

        * `whole`: zero-padded vectors of all shared parameters;
        * `nested`: shell by shell, all shared parameters together;
        * `layer`: shell by shell, each parameter tensor on its own;
        * `kernel`: shell by shell, each output channel of each parameter on its own.

        Returns:
            Names of the group to its Gramians, float64, shape (K, S, M, M): kernel, shell, row,
            row. K = 1 except for `kernel`; S = 1 for `whole`, otherwise M. Zero for a row that
            does not own the shell.
        """
        if not self.shared_names:
            return {}
        full = [_channels_last(self.rows[-1][name]) for name in self.shared_names]
        if granularity in {"layer", "kernel"}:
            per_kernel = granularity == "kernel"
            parts = [self._parts(k, per_kernel=per_kernel) for k in range(len(self.blocks))]
            parts.append([g.reshape(len(g) if per_kernel else 1, 1, -1) for g in full])
            return {
                (name,): _shells([_products(part) for part in blocks], shapes)
                for name, shapes, *blocks in zip(
                    self.shared_names, zip(*self.shapes, strict=True), *parts, strict=True
                )
            }
        # No public operator takes a list. One launch per parameter would cost 0.5 ms on an H200.
        norms = torch._foreach_norm(full)  # noqa: SLF001
        squares = torch.stack(norms).double().square().sum()
        products = [*(_products(block[None]) for block in self.blocks), squares.reshape(1, 1, 1)]
        total = _shells(products, self.shapes)
        if granularity == "whole":
            total = total.sum(dim=1, keepdim=True)
        return {self.shared_names: total}

    def solve(
        self,
        solver: Callable[[Tensor, Tensor], Tensor],
        gramians: Mapping[Names, Tensor],
        choices: Tensor,
    ) -> dict[Names, Tensor]:
        """Return the weights that a solver gives to the rows of each group.

        Args:
            solver: Maps Gramians (K, S, M, M) and `choices` to weights (K, S, M), each kernel on
                its own, on the device of the gradients.
            gramians: Names of a group to its Gramians, from `gramians`.
            choices: Random choices of this step, on the CPU.
        """
        moved = choices.to(self.device)
        return solve_groups(lambda joined: solver(joined, moved), gramians)

    def combine(self, weights: Mapping[Names, Tensor]) -> dict[str, Tensor]:
        """Return the update: on each shell one weighted sum of the rows.

        Args:
            weights: Names of a group to its weights, on any device, of a shape that broadcasts to
                (K, M, M): kernel, shell, row. The groups cover the shared parameters; a private
                parameter keeps its gradient.

        Returns:
            Parameter name to update, of the parameter's shape.
        """
        shared, m = set(self.shared_names), len(self.rows)
        update = {name: g for row in self.rows for name, g in row.items() if name not in shared}
        if not shared:
            return update
        dtype = self.blocks[0].dtype
        moved = {
            names: group.to(self.device, dtype).expand(-1, m, m) for names, group in weights.items()
        }
        for names, group in moved.items():
            gradients = [self.rows[-1][name] for name in names]
            update |= zip(names, _scaled(gradients, group[:, -1, -1]), strict=True)
        for k in reversed(range(m - 1)):  # the largest block first, then what lies inside
            _copy(self._cropped(update, k), self._sums(k, moved))
        return update

    def _sums(self, k: int, weights: Mapping[Names, Tensor]) -> list[Tensor]:
        """Return the sums of the rows on block k with the weights of shell k, by parameter."""
        kernels = {len(group) for group in weights.values()}
        if len(weights) == 1 and kernels == {1}:
            (group,) = weights.values()
            return _views(group[0, k, k:] @ self.blocks[k], self.shapes[k])
        by_name = {name: group for names, group in weights.items() for name in names}
        parts = self._parts(k, per_kernel=kernels != {1})
        return [
            _view(by_name[name][: len(part), k, None, k:] @ part, shape)
            for name, part, shape in zip(self.shared_names, parts, self.shapes[k], strict=True)
        ]

    def _parts(self, k: int, *, per_kernel: bool) -> list[Tensor]:
        """Split block k by parameter: (K, M - k, n) each, K = 1 unless `per_kernel`."""
        parts = torch.split(self.blocks[k], [prod(shape) for shape in self.shapes[k]], dim=1)
        return [
            part.view(len(part), shape[0] if per_kernel else 1, -1).transpose(0, 1)
            for part, shape in zip(parts, self.shapes[k], strict=True)
        ]

    def _cropped(self, tensors: Mapping[str, Tensor], k: int) -> list[Tensor]:
        """Return views of the shared parameters' tensors on block k."""
        named = zip(self.shared_names, self.shapes[k], strict=True)
        return [leading_block(tensors[name], shape) for name, shape in named]


def solve_groups(
    solver: Callable[[Tensor], Tensor], gramians: Mapping[Names, Tensor]
) -> dict[Names, Tensor]:
    """Apply a solver once to the Gramians of all groups.

    Args:
        solver: Maps Gramians (K, S, M, M) to weights (K, S, M), each kernel on its own.
        gramians: Names of a group to its Gramians.

    Returns:
        Names of a group to its weights.
    """
    if not gramians:
        return {}
    kernels = [len(group) for group in gramians.values()]
    solved = solver(torch.cat(list(gramians.values())))
    return dict(zip(gramians, torch.split(solved, kernels), strict=True))


def _channels_last(tensor: Tensor) -> Tensor:
    """Return a view whose row-major order is that of channels-last memory."""
    return tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor


def _views(flat: Tensor, shapes: Shapes) -> list[Tensor]:
    """Return views of a flat block as tensors of the parameters' shapes."""
    parts = torch.split(flat, [prod(shape) for shape in shapes])
    return [_view(part, shape) for part, shape in zip(parts, shapes, strict=True)]


def _view(part: Tensor, shape: torch.Size) -> Tensor:
    """Return a view of one parameter's elements, channels last, as a tensor of its shape."""
    if len(shape) == 4:
        return part.view(shape[0], *shape[2:], shape[1]).permute(0, 3, 1, 2)
    return part.view(shape)


def _scaled(tensors: list[Tensor], factors: Tensor) -> Sequence[Tensor]:
    """Multiply tensors, each by factors of its output channels, (K,), or all by one, (1,)."""
    if len(factors) == 1:  # as for the norms, one launch for all
        return torch._foreach_mul(tensors, factors[0])  # noqa: SLF001
    return [  # laid out like the tensors, as fused optimizers require
        torch.mul(tensor, factors.view(-1, *[1] * (tensor.dim() - 1)), out=torch.empty_like(tensor))
        for tensor in tensors
    ]


def _copy(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    for target, source in zip(targets, sources, strict=True):
        target.copy_(source)


@cache  # without limit: a CUDA graph reads an index at the address that it had when recorded
def _positions(small: Shapes, large: Shapes, device: torch.device) -> Tensor:
    """Return where a flat block's elements are in a larger flat block, int32, (N_small,)."""
    places = torch.arange(sum(map(prod, large)), dtype=torch.int32, device=device)
    blocks = map(leading_block, _views(places, large), small)
    return torch.cat([_channels_last(block).reshape(-1) for block in blocks])


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


def _shells(products: Sequence[Tensor], shapes: Sequence[object]) -> Tensor:
    """Return the inner products on shells, (K, M, M, M), from those on blocks.

    Args:
        products: For block k those of rows k, k + 1, ..., (K_k, M - k, M - k).
        shapes: Shapes of the blocks: the shell between two equal blocks is empty.
    """
    m = len(products)
    shells = products[-1].new_zeros((len(products[-1]), m, m, m))
    for k, block in enumerate(products):
        if k and shapes[k] == shapes[k - 1]:
            continue
        shells[: len(block), k, k:, k:] = block
        if k:
            shells[: len(products[k - 1]), k, k:, k:] -= products[k - 1][:, 1:, 1:]
    return shells
