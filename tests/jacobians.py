"""Nested Jacobians for tests, and the aggregators' definitions written out naively."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sfsc.aggregation.jacobian import NestedJacobian

BLOCKS = ((2, 1, 3, 3), (4, 2, 3, 3), (8, 4, 3, 3))
FULL = BLOCKS[-1]
Vectors = dict[str, Tensor]


def nested_jacobian(*, conflict: float = 1.0, dtype: torch.dtype = torch.float64) -> NestedJacobian:
    """Return three rows: a nested weight, a bias that all share whole, private batch norms.

    Rows 0 and 2 pull in opposite directions, `conflict` says how strongly.
    """
    pull = torch.randn(FULL, dtype=dtype)
    rows = []
    for i, shape in enumerate(BLOCKS):
        weight = torch.randn(shape, dtype=dtype)
        weight = weight + conflict * (i - 1) * pull[tuple(slice(n) for n in shape)]
        rows.append(
            {
                "weight": weight.contiguous(memory_format=torch.channels_last),
                "bias": torch.randn(5, dtype=dtype),
                f"norm.{i}": torch.randn(3, dtype=dtype),
            }
        )
    return NestedJacobian(rows)


def padded(gradient: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the gradient of a block as that of the whole parameter, zeros outside."""
    whole = gradient.new_zeros(tuple(shape))
    whole[tuple(slice(n) for n in gradient.shape)] = gradient
    return whole


def groups(granularity: str, shapes: dict[str, Sequence[int]]) -> Iterator[tuple[list[str], slice]]:
    """Yield what is compared at once: parameter names and output channels."""
    if granularity in {"whole", "nested"}:
        yield list(shapes), slice(None)
    for name, shape in shapes.items() if granularity in {"layer", "kernel"} else ():
        if granularity == "layer":
            yield [name], slice(None)
        else:
            yield from (([name], slice(o, o + 1)) for o in range(shape[0]))


def naive_projection(jacobian: NestedJacobian, orders: Tensor, granularity: str) -> Vectors:
    """Project pair by pair on zero-padded copies with masks, as DESIGN.md 2.3 says."""
    rows = jacobian.rows
    shapes = {name: rows[-1][name].shape for name in ("weight", "bias")}
    full = {n: [padded(row[n], shapes[n]) for row in rows] for n in shapes}
    owned = {n: [padded(torch.ones_like(row[n]), shapes[n]) for row in rows] for n in shapes}
    update = {n: torch.zeros_like(full[n][0]) for n in shapes}
    for names, channels in groups(granularity, shapes):
        for i in range(len(rows)):
            running = {n: full[n][i][channels].clone() for n in names}
            for j in orders[i].tolist():
                meet = {n: owned[n][min(i, j)][channels] for n in names}
                if granularity == "whole":
                    meet = {n: torch.ones_like(meet[n]) for n in names}
                other = {n: full[n][j][channels] * meet[n] for n in names}
                inner = sum((running[n] * other[n]).sum() for n in names)
                norm = sum((other[n] * other[n]).sum() for n in names)
                if inner < 0:
                    running = {n: running[n] - inner / norm * other[n] for n in names}
            for n in names:
                update[n][channels] += running[n]
    return update


def naive_sum(jacobian: NestedJacobian) -> Vectors:
    """Add zero-padded copies."""
    rows = jacobian.rows
    return {n: sum(padded(row[n], rows[-1][n].shape) for row in rows) for n in ("weight", "bias")}


def naive_owners(jacobian: NestedJacobian) -> Vectors:
    """Count the rows that own each weight."""
    rows = jacobian.rows
    return {
        n: sum(padded(torch.ones_like(row[n]), rows[-1][n].shape) for row in rows)
        for n in ("weight", "bias")
    }
