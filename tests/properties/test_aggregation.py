"""What each aggregator promises, on matrices of any scale."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sfsc.aggregation.aggregators.projection import Projection
from sfsc.aggregation.base import Aggregator
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.settings import parts

import sections

SCALES = (0.0, 1e-10, 1e-3, 1.0, 1e5, 1e10, 1e15)
ALL = (
    *itertools.product(parts.names("aggregation.aggregators"), ("nested", "whole", "layer")),
    ("projection", "kernel"),
)


def build(name: str, granularity: str) -> Aggregator:
    """Return a part with a granularity."""
    return sections.aggregator(name, granularity=granularity, reduction="sum")


@st.composite
def jacobians(draw: st.DrawFn, max_rows: int = 5) -> NestedJacobian:
    """Rows on nested (O, I) blocks, e.g. (1, 1), (2, 2), (2, 3), scaled by one of `SCALES`."""
    m = draw(st.integers(2, max_rows))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    scale = draw(st.sampled_from(SCALES))
    sides = [sorted(draw(st.lists(st.integers(1, 6), min_size=m, max_size=m))) for _ in range(2)]
    rows = [
        {"w": scale * torch.randn(o, i, generator=generator, dtype=torch.float64)}
        for o, i in zip(*sides, strict=True)
    ]
    return NestedJacobian(rows)


def aggregate(aggregator: Aggregator, jacobian: NestedJacobian) -> torch.Tensor:
    """Return the update with a fixed order of the projections."""
    return aggregator(jacobian, torch.Generator().manual_seed(0))["w"]


@pytest.mark.parametrize(("name", "granularity"), ALL)
@settings(deadline=None, max_examples=40)
@given(jacobian=jacobians())
def test_updates_are_finite_and_of_the_full_shape(
    name: str, granularity: str, jacobian: NestedJacobian
):
    """Whatever the scale, the update is finite and as large as the largest block."""
    update = aggregate(build(name, granularity), jacobian)
    assert update.shape == jacobian.rows[-1]["w"].shape
    assert torch.isfinite(update).all()


@pytest.mark.parametrize(("name", "granularity"), ALL)
@settings(deadline=None, max_examples=40)
@given(jacobian=jacobians(), factor=st.sampled_from([0.5, 2.0, 1024.0]))
def test_updates_scale_with_the_rows(
    name: str, granularity: str, jacobian: NestedJacobian, factor: float
):
    """All rows times a factor (a power of two: exact): the update times that factor."""
    aggregator = build(name, granularity)
    scaled = NestedJacobian([{"w": factor * row["w"]} for row in jacobian.rows])
    expected = factor * aggregate(aggregator, jacobian)
    torch.testing.assert_close(aggregate(aggregator, scaled), expected, rtol=1e-9, atol=0.0)


@settings(deadline=None, max_examples=60)
@given(jacobian=jacobians(max_rows=2))
def test_two_projected_rows_never_conflict(jacobian: NestedJacobian):
    """Up to rounding, two rows' nested update agrees with both on the block they share."""
    update = aggregate(Projection("nested"), jacobian)
    small = jacobian.rows[0]["w"]
    block = tuple(slice(n) for n in small.shape)
    for row in jacobian.rows:
        inner = (update[block] * row["w"][block]).sum()
        scale = sum(r["w"].norm() for r in jacobian.rows) * row["w"].norm()
        assert inner >= -1e-9 * scale


@settings(deadline=None, max_examples=60)
@given(jacobian=jacobians())
def test_on_equal_blocks_nested_is_whole(jacobian: NestedJacobian):
    """Where all sub-models own everything the two granularities are one."""
    shape = jacobian.rows[0]["w"].shape
    block = tuple(slice(n) for n in shape)
    rows = NestedJacobian([{"w": row["w"][block]} for row in jacobian.rows])
    nested, whole = (aggregate(Projection(name), rows) for name in ("nested", "whole"))
    largest = max(row["w"].abs().max().item() for row in rows.rows)
    torch.testing.assert_close(nested, whole, rtol=1e-9, atol=1e-12 * largest)


@settings(deadline=None, max_examples=60)
@given(jacobian=jacobians())
def test_upgrad_conflicts_with_no_row(jacobian: NestedJacobian):
    """Up to the solver's regularisation, the update agrees with every row of the matrix."""
    weights = build("upgrad", "whole").weights(jacobian, torch.Generator())["w",].squeeze()
    gramian = jacobian.gramians("whole")["w",].squeeze()
    assert (gramian @ weights >= -1.01e-4 * gramian.trace() * weights).all()
