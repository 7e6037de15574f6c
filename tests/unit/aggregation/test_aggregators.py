"""Each aggregator against its definition written out pair by pair."""

import pytest
import torch

from sfsc.aggregation.aggregators.mean import Mean
from sfsc.aggregation.aggregators.projection import Projection, projection_orders
from sfsc.aggregation.aggregators.sum import Sum
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.settings import parts

import sections
from jacobians import BLOCKS, naive_owners, naive_projection, naive_sum, nested_jacobian, padded

AGGREGATORS = parts.names("aggregation.aggregators")
GRANULARITIES = ("nested", "whole", "layer", "kernel")


def seeded(seed: int = 3) -> torch.Generator:
    """Return a generator whose draws a test can repeat."""
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("conflict", [0.0, 0.3, 3.0])
class TestProjection:
    """Projection of every granularity."""

    def test_equals_the_pairwise_definition(self, granularity: str, conflict: float):
        """The Gramian form gives what projecting copies pair by pair gives."""
        jacobian = nested_jacobian(conflict=conflict)
        expected = naive_projection(jacobian, projection_orders(3, seeded()), granularity)
        update = Projection(granularity)(jacobian, seeded())
        for name, tensor in expected.items():
            torch.testing.assert_close(update[name], tensor)

    def test_mean_divides_by_the_owners(self, granularity: str, conflict: float):
        """Reduction `mean` is the sum over the number of sub-models that own a weight."""
        jacobian = nested_jacobian(conflict=conflict)
        total = Projection(granularity)(jacobian, seeded())
        mean = Projection(granularity, "mean")(jacobian, seeded())
        for name, owners in naive_owners(jacobian).items():
            torch.testing.assert_close(mean[name], total[name] / owners)

    def test_private_parameters_keep_their_gradient(self, granularity: str, conflict: float):
        """A batch norm's update is its own sub-model's gradient."""
        jacobian = nested_jacobian(conflict=conflict)
        update = Projection(granularity)(jacobian, seeded())
        for i, row in enumerate(jacobian.rows):
            assert torch.equal(update[f"norm.{i}"], row[f"norm.{i}"])

    def test_rows_are_left_alone(self, granularity: str, conflict: float):
        """Aggregating does not change the gradients."""
        jacobian = nested_jacobian(conflict=conflict)
        before = [{n: t.clone() for n, t in row.items()} for row in jacobian.rows]
        Projection(granularity)(jacobian, seeded())
        for row, copy in zip(jacobian.rows, before, strict=True):
            assert all(torch.equal(row[name], copy[name]) for name in row)


def test_golden_two_rows():
    """By hand: g_0 = (1, 0), g_1 = (-1, 1) become (1/2, 1/2) + (0, 1)."""
    jacobian = NestedJacobian([{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([-1.0, 1.0])}])
    update = Projection("whole")(jacobian, seeded())
    torch.testing.assert_close(update["w"], torch.tensor([0.5, 1.5]))


def test_golden_nested_rows():
    """By hand: on the shared block both give way, outside it the full gradient is plain."""
    jacobian = NestedJacobian([{"w": torch.tensor([2.0])}, {"w": torch.tensor([-1.0, 7.0])}])
    nested = Projection("nested")(jacobian, seeded())["w"]
    torch.testing.assert_close(nested, torch.tensor([0.0, 7.0]))
    whole = Projection("whole")(jacobian, seeded())["w"]
    # g_0 + 2/50 g_1 = (1.96, 0.28); g_1 + 2/4 g_0 = (0, 7): most of the conflict is left.
    torch.testing.assert_close(whole, torch.tensor([1.96, 7.28]))


def test_nested_keeps_what_only_the_full_model_owns():
    """Outside the smaller blocks the update is the full model's gradient; `whole` leaks there."""
    jacobian = nested_jacobian(conflict=3.0)
    outside = padded(torch.ones(BLOCKS[1]), BLOCKS[2]) == 0
    own = jacobian.rows[2]["weight"][outside]
    nested = Projection("nested")(jacobian, seeded())["weight"]
    whole = Projection("whole")(jacobian, seeded())["weight"]
    torch.testing.assert_close(nested[outside], own)
    assert not torch.allclose(whole[outside], own)


def test_without_conflict_projection_is_the_sum():
    """Rows that agree are added as they are."""
    jacobian = NestedJacobian([{"w": torch.rand(2, 2)}, {"w": torch.rand(4, 4)}])
    for granularity in GRANULARITIES:
        update = Projection(granularity)(jacobian, seeded())["w"]
        torch.testing.assert_close(update, Sum()(jacobian, seeded())["w"])


def test_sum_adds_zero_padded_rows():
    """The sum is that of the zero-padded gradients."""
    jacobian = nested_jacobian()
    for name, expected in naive_sum(jacobian).items():
        torch.testing.assert_close(Sum()(jacobian, seeded())[name], expected)


def test_mean_divides_by_the_owners():
    """The mean is the sum over the number of sub-models that own a weight."""
    jacobian = nested_jacobian()
    owners = naive_owners(jacobian)
    for name, expected in naive_sum(jacobian).items():
        torch.testing.assert_close(Mean()(jacobian, seeded())[name], expected / owners[name])


@pytest.mark.parametrize("name", AGGREGATORS)
def test_a_single_network_keeps_its_gradient(name: str):
    """With one sub-model every aggregator passes the gradient through."""
    row = {"w": torch.randn(4, 3), "b": torch.randn(4)}
    update = sections.aggregator(name, granularity="nested", reduction="sum")(
        NestedJacobian([row]), seeded()
    )
    assert all(torch.equal(update[key], row[key]) for key in row)


def test_the_section_reaches_the_projection():
    """Granularity and reduction are those of the section."""
    projection = sections.aggregator("projection", granularity="layer", reduction="mean")
    assert (projection.granularity, projection.reduction) == ("layer", "mean")


@pytest.mark.parametrize("name", AGGREGATORS)
@pytest.mark.parametrize("granularity", ["nested", "whole", "layer"])
def test_every_sub_model_reaches_the_update(name: str, granularity: str):
    """Where no gradient has to give way to another, the update follows each of them."""
    rows = [torch.tensor(r) for r in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0])]
    update = sections.aggregator(name, granularity=granularity, reduction="sum")(
        NestedJacobian([{"w": r} for r in rows]), seeded()
    )["w"]
    assert all(update[: len(row)] @ row > 0.3 for row in rows)


def test_orders_are_random_and_seeded():
    """The others come in every order, the same for the same generator."""
    orders = {str(projection_orders(3, seeded(seed)).tolist()) for seed in range(40)}
    assert len(orders) == 8
    assert torch.equal(projection_orders(4, seeded()), projection_orders(4, seeded()))
