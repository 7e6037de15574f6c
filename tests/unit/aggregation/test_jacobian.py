"""Blocks, Gramians and groups of a Jacobian whose rows live on nested blocks."""

import pytest
import torch
from torch import Tensor

from sfsc.aggregation.jacobian import NestedJacobian, solve_groups
from sfsc.networks.switchable import leading_block

from jacobians import nested_jacobian, padded


def in_memory(tensor: Tensor) -> Tensor:
    """Return a tensor's elements in the order of channels-last memory."""
    return (tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor).flatten()


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_block_holds_the_rows_of_its_owners(layout: torch.memory_format):
    """Block k is the larger rows cropped to sub-model k's shapes, one parameter after another."""
    shapes = [(2, 1, 3, 3), (4, 2, 3, 3), (6, 4, 3, 3), (8, 4, 3, 3)]
    rows = [
        {"w": torch.randn(shape).contiguous(memory_format=layout), "b": torch.randn(2 + i, 3)}
        for i, shape in enumerate(shapes)
    ]
    blocks = NestedJacobian(rows).blocks
    assert len(blocks) == 3
    for k, block in enumerate(blocks):
        expected = [
            torch.cat([in_memory(leading_block(row[n], rows[k][n].shape)) for n in ("w", "b")])
            for row in rows[k:]
        ]
        assert torch.equal(block, torch.stack(expected))


@pytest.mark.parametrize(
    ("granularity", "groups", "shape"),
    [
        ("whole", [("weight", "bias")], (1, 1, 3, 3)),
        ("nested", [("weight", "bias")], (1, 3, 3, 3)),
        ("layer", [("weight",), ("bias",)], (1, 3, 3, 3)),
        ("kernel", [("weight",), ("bias",)], (8, 3, 3, 3)),
    ],
)
def test_a_group_is_what_is_compared_together(
    granularity: str, groups: list[tuple[str, ...]], shape: tuple[int, ...]
):
    """Names of parameters to their Gramians, one per kernel and shell."""
    gramians = nested_jacobian().gramians(granularity)
    assert list(gramians) == groups
    assert gramians[groups[0]].shape == shape


def test_the_groups_are_solved_together():
    """A solver sees all kernels at once; each group gets its own weights back."""
    gramians = {("a",): torch.rand(2, 3, 3, 3), ("b", "c"): torch.rand(1, 3, 3, 3)}
    seen = []

    def diagonal(joined: Tensor) -> Tensor:
        seen.append(len(joined))
        return joined.diagonal(dim1=-2, dim2=-1)

    weights = solve_groups(diagonal, gramians)
    assert seen == [3]
    for names, gramian in gramians.items():
        assert torch.equal(weights[names], diagonal(gramian))
    assert solve_groups(diagonal, {}) == {}


@pytest.mark.parametrize("per_kernel", [False, True])
def test_shell_gramians_add_up_to_the_padded_inner_products(per_kernel: bool):
    """Summed over kernels and shells they are the inner products of the zero-padded rows."""
    jacobian = nested_jacobian()
    for name in jacobian.shared_names:
        granularity = "kernel" if per_kernel else "layer"
        gramian = jacobian.gramians(granularity)[(name,)].sum(dim=(0, 1))
        rows = [padded(row[name], jacobian.rows[-1][name].shape) for row in jacobian.rows]
        flat = torch.stack([row.flatten() for row in rows])
        torch.testing.assert_close(gramian, flat @ flat.T)


def test_a_parameter_of_some_rows_only_is_refused():
    """Neither private nor shared by all: an error that names the parameter."""
    row = {"a": torch.zeros(1)}
    with pytest.raises(ValueError, match="private") as error:
        NestedJacobian([row | {"b": torch.zeros(1)}, row | {"b": torch.zeros(1)}, row])
    assert str(error.value) == (
        "A parameter must be private to one sub-model or shared by all. Found `b` in 2 of 3 rows."
    )
