"""TorchJD's weightings on nested sub-models: the same as its aggregators on each shell."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchjd.aggregation import MGDA, CAGrad, UPGrad

from sfsc.aggregation.aggregators.cagrad import RADIUS
from sfsc.aggregation.aggregators.sum import Sum
from sfsc.aggregation.gramian_weighted import GramianWeighted
from sfsc.aggregation.jacobian import NestedJacobian

import sections
from jacobians import BLOCKS, nested_jacobian, padded

GRANULARITIES = ("nested", "whole", "layer")
ORACLES: dict[str, Callable[[Tensor], Tensor]] = {
    "upgrad": UPGrad(),
    "mgda": MGDA(),
    "cagrad": CAGrad(c=RADIUS),
}


def update(name: str, granularity: str, jacobian: NestedJacobian) -> dict[str, Tensor]:
    """Return the update of a part."""
    return sections.aggregator(name, granularity=granularity, reduction="sum")(
        jacobian, torch.Generator()
    )


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("name", ORACLES)
def test_the_mean_is_the_sum_over_the_owners_of_each_shell(name: str, granularity: str):
    """As it is of the projection: what three sub-models own moves by a third."""
    jacobian = nested_jacobian(conflict=0.3)
    mean = sections.aggregator(name, granularity=granularity, reduction="mean")(
        jacobian, torch.Generator()
    )
    whole = update(name, granularity, jacobian)
    for parameter in jacobian.shared_names:
        for index, (mask, _) in enumerate(shells(jacobian, parameter)):
            owners = len(jacobian.rows) - index
            torch.testing.assert_close(
                mean[parameter][mask], whole[parameter][mask] / owners, rtol=1e-5, atol=1e-7
            )


def aggregate(name: str, rows: Tensor) -> Tensor:
    """Return TorchJD's update of a matrix of rows, on the scale of their sum."""
    norm = rows.norm()  # TorchJD takes rows of a norm below 0.01 for zero
    return len(rows) * norm * ORACLES[name](rows / norm)


def shells(jacobian: NestedJacobian, parameter: str) -> list[tuple[Tensor, Tensor]]:
    """Return for each shell of a parameter its mask and its owners' rows."""
    shape = jacobian.rows[-1][parameter].shape
    rows = [padded(row[parameter], shape) for row in jacobian.rows]
    owned = [padded(torch.ones_like(row[parameter]), shape) > 0 for row in jacobian.rows]
    inner = [torch.zeros_like(owned[0]), *owned[:-1]]
    masks = [block & ~smaller for block, smaller in zip(owned, inner, strict=True)]
    return [(mask, torch.stack([r[mask] for r in rows[i:]])) for i, mask in enumerate(masks)]


@pytest.mark.parametrize("conflict", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("name", ORACLES)
class TestTorchJD:
    """UPGrad, MGDA and CAGrad."""

    def test_whole_is_the_aggregator_on_padded_vectors(self, name: str, conflict: float):
        """With granularity `whole` all shared parameters are one matrix of padded rows."""
        jacobian = nested_jacobian(conflict=conflict)
        names = ("weight", "bias")
        shapes = [jacobian.rows[-1][n].shape for n in names]
        rows = [
            torch.cat([padded(row[n], s).flatten() for n, s in zip(names, shapes, strict=True)])
            for row in jacobian.rows
        ]
        found = update(name, "whole", jacobian)
        flat = torch.cat([found[n].flatten() for n in names])
        torch.testing.assert_close(flat, aggregate(name, torch.stack(rows)), rtol=1e-4, atol=1e-4)

    def test_layer_is_the_aggregator_on_each_shell(self, name: str, conflict: float):
        """With granularity `layer` each shell of each parameter is a matrix of its owners' rows."""
        jacobian = nested_jacobian(conflict=conflict)
        found = update(name, "layer", jacobian)
        for parameter in ("weight", "bias"):
            for mask, rows in shells(jacobian, parameter):
                expected = rows[0] if len(rows) == 1 else aggregate(name, rows)
                if mask.any():
                    torch.testing.assert_close(
                        found[parameter][mask], expected, rtol=1e-4, atol=1e-4
                    )

    def test_nested_joins_the_parameters_of_a_shell(self, name: str, conflict: float):
        """With granularity `nested` a shell is a matrix over all shared parameters."""
        jacobian = nested_jacobian(conflict=conflict)
        found = update(name, "nested", jacobian)
        parts = [shells(jacobian, parameter) for parameter in ("weight", "bias")]
        for (weight, weight_rows), (bias, bias_rows) in zip(*parts, strict=True):
            rows = torch.cat([weight_rows, bias_rows], dim=1)
            expected = rows[0] if len(rows) == 1 else aggregate(name, rows)
            joined = torch.cat([found["weight"][weight], found["bias"][bias]])
            torch.testing.assert_close(joined, expected, rtol=1e-4, atol=1e-4)

    def test_is_deterministic(self, name: str, conflict: float):
        """The same gradients give the same update, bit for bit."""
        jacobian = nested_jacobian(conflict=conflict)
        first, second = (update(name, "nested", jacobian) for _ in range(2))
        assert all(torch.equal(first[parameter], second[parameter]) for parameter in first)

    def test_private_parameters_keep_their_gradient(self, name: str, conflict: float):
        """A batch norm's update is its own sub-model's gradient."""
        jacobian = nested_jacobian(conflict=conflict)
        found = update(name, "nested", jacobian)
        for i, row in enumerate(jacobian.rows):
            assert torch.equal(found[f"norm.{i}"], row[f"norm.{i}"])


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_without_conflict_upgrad_is_the_sum(granularity: str):
    """Rows that agree are added as they are: the learning rate means what it does for the sum."""
    rows = [{"w": torch.rand(n, n), "b": torch.rand(3)} for n in (2, 4, 6)]
    jacobian = NestedJacobian(rows)
    expected = Sum()(jacobian, torch.Generator())
    torch.testing.assert_close(update("upgrad", granularity, jacobian), expected)


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        # Each row projected onto the other's normal plane: (1/2, 1/2) + (0, 1).
        ("upgrad", [[1.0, 0.0], [-1.0, 1.0]], [0.5, 1.5]),
        # Of least norm between the rows: 4/5 of the first, 1/5 of the second; twice that.
        ("mgda", [[1.0, 0.0], [0.0, 2.0]], [1.6, 0.8]),
        # The worst improvement is largest along the mean (1/2, 1/2), 1 + c times as far; twice.
        ("cagrad", [[1.0, 0.0], [0.0, 1.0]], [1.0 + RADIUS, 1.0 + RADIUS]),
    ],
)
def test_golden_two_rows(name: str, rows: list[list[float]], expected: list[float]):
    """By hand, on the scale of the sum."""
    jacobian = NestedJacobian([{"w": torch.tensor(row)} for row in rows])
    found = update(name, "whole", jacobian)["w"]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0.0, atol=1e-3)


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("granularity", ["nested", "layer"])
def test_a_shell_with_one_owner_keeps_its_gradient(name: str, granularity: str):
    """Outside the smaller blocks the update is the full model's gradient."""
    jacobian = nested_jacobian(conflict=3.0)
    outside = padded(torch.ones(BLOCKS[1]), BLOCKS[2]) == 0
    own = jacobian.rows[2]["weight"][outside]
    assert torch.equal(update(name, granularity, jacobian)["weight"][outside], own)


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_zero_gradients_give_a_finite_update(name: str, granularity: str):
    """Rows of zeros, some or all of them, are no division by zero."""
    one = NestedJacobian([{"w": torch.zeros(2)}, {"w": torch.ones(3)}, {"w": torch.ones(4)}])
    assert torch.isfinite(update(name, granularity, one)["w"]).all()
    every = NestedJacobian([{"w": torch.zeros(2)}, {"w": torch.zeros(3)}])
    assert torch.equal(update(name, granularity, every)["w"], torch.zeros(3))


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e12])
def test_small_gradients_are_not_taken_for_zero(name: str, scale: float):
    """The update scales with the rows, below the solvers' own tolerances too."""
    jacobian = nested_jacobian(conflict=3.0)
    scaled = NestedJacobian([{n: scale * t for n, t in row.items()} for row in jacobian.rows])
    found, expected = update(name, "nested", scaled), update(name, "nested", jacobian)
    torch.testing.assert_close(found["weight"] / scale, expected["weight"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ORACLES)
def test_an_infinite_gradient_is_passed_on(name: str):
    """It shows in the next loss, whose check names step and sub-model."""
    jacobian = NestedJacobian([{"w": torch.tensor([torch.inf])}, {"w": torch.ones(2)}])
    assert update(name, "nested", jacobian)["w"].tolist() == [torch.inf, 1.0]


@pytest.mark.parametrize("name", ORACLES)
def test_rounding_that_no_rows_have_is_mended(name: str):
    """A Gramian with a negative eigenvalue, the difference of two blocks', is solved."""
    aggregator = sections.aggregator(name, granularity="whole", reduction="sum")
    assert isinstance(aggregator, GramianWeighted)
    rounded = torch.tensor([[1.0, -1.1, 0.0], [-1.1, 1.0, 0.0], [0.0, 0.0, -0.2]]).double()
    weights = aggregator._solve(rounded[None, None])
    assert weights.shape == (1, 1, 3)
    assert torch.isfinite(weights).all()
