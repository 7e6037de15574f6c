"""Cosines between the sub-models' gradients, and between them and the update."""

import pytest
import torch

from sfsc.aggregation.aggregators.mean import Mean
from sfsc.aggregation.aggregators.projection import Projection
from sfsc.aggregation.aggregators.sum import Sum
from sfsc.aggregation.conflicts import (
    common_cosines,
    common_norms,
    pairwise_cosines,
    projection_change,
    update_cosines,
)
from sfsc.aggregation.jacobian import NestedJacobian

from jacobians import nested_jacobian, padded


def test_cosines_are_on_the_block_of_each_row():
    """The small row meets the leading entries of the update, the large one all of it."""
    rows = [
        {"w": torch.tensor([-1.0, 0.0])},
        {"w": torch.tensor([3.0, 0.0, 0.0, 4.0])},
    ]
    jacobian = NestedJacobian(rows)
    update = Sum()(jacobian, torch.Generator())  # (2, 0, 0, 4)
    expected = [-1.0, 22.0 / (5.0 * 20.0**0.5)]
    torch.testing.assert_close(
        update_cosines(jacobian, update), torch.tensor(expected, dtype=torch.float64)
    )


def test_private_parameters_do_not_count():
    """Every sub-model moves its own batch norms as it likes."""
    rows = [
        {"w": torch.tensor([1.0]), "a": torch.tensor([5.0])},
        {"w": torch.tensor([1.0, 0.0]), "b": torch.tensor([-5.0])},
    ]
    update = {"w": torch.tensor([1.0, 0.0]), "a": torch.tensor([-5.0]), "b": torch.tensor([5.0])}
    cosines = update_cosines(NestedJacobian(rows), update)
    torch.testing.assert_close(cosines, torch.ones(2, dtype=torch.float64))


def test_an_update_of_zero_has_no_direction():
    """The cosine is 0, not NaN."""
    rows = [{"w": torch.ones(1)}, {"w": torch.ones(2)}]
    assert update_cosines(NestedJacobian(rows), {"w": torch.zeros(2)}).tolist() == [0.0, 0.0]


def test_cosines_equal_those_of_slices():
    """Nested cosines are those on the smaller block, whole ones those of padded vectors."""
    jacobian = nested_jacobian()
    names = ("weight", "bias")

    def flat(row: int, block: int) -> torch.Tensor:
        parts = []
        for name in names:
            shape = jacobian.rows[block][name].shape
            whole = padded(jacobian.rows[row][name], jacobian.rows[-1][name].shape)
            parts.append(whole[tuple(slice(n) for n in shape)].flatten())
        return torch.cat(parts)

    gramian = jacobian.gramians("nested")["weight", "bias"].squeeze(0)
    nested = pairwise_cosines(gramian)
    whole = pairwise_cosines(gramian.sum(dim=0, keepdim=True))
    for i in range(3):
        for j in range(3):
            cosine = torch.nn.functional.cosine_similarity
            on_block = cosine(flat(i, min(i, j)), flat(j, min(i, j)), dim=0)
            torch.testing.assert_close(nested[i, j], on_block)
            torch.testing.assert_close(whole[i, j], cosine(flat(i, 2), flat(j, 2), dim=0))


def test_cosine_with_a_zero_gradient_is_zero():
    """A row that is zero agrees and conflicts with nobody."""
    jacobian = NestedJacobian([{"w": torch.zeros(2)}, {"w": torch.ones(3)}])
    assert pairwise_cosines(jacobian.gramians("layer")["w",].squeeze(0))[0, 1] == 0.0


def test_the_common_block_is_what_all_sub_models_own():
    """Norms and cosines of the leading blocks alone, without the parameters that are left out."""
    small = {"w": torch.tensor([[3.0, 4.0]]), "classifier": torch.tensor([9.0])}
    large = {"w": torch.tensor([[4.0, -3.0, 7.0], [5.0, 5.0, 5.0]]), "classifier": torch.ones(1)}
    jacobian = NestedJacobian([small, large])
    norms = common_norms(jacobian, without=["classifier"])
    assert [norm.item() for norm in norms] == pytest.approx([5.0, 5.0])
    cosines = common_cosines(jacobian, without=["classifier"])
    torch.testing.assert_close(cosines, torch.eye(2, dtype=torch.float64))
    assert common_cosines(jacobian)[0, 1] > 0
    assert common_norms(NestedJacobian([large])) == []


def test_the_projection_s_change_is_that_of_its_update():
    """The Gramians give the relative distance between two updates without making either."""
    jacobian = nested_jacobian()
    (gramian,) = jacobian.gramians("nested").values()
    mean, projected = (
        torch.cat([update[name].flatten() for name in jacobian.shared_names]).double()
        for update in (
            aggregator(jacobian, torch.Generator())
            for aggregator in (Mean(), Projection("nested", "mean"))
        )
    )
    expected = float((projected - mean).norm() / mean.norm())
    assert expected > 0
    assert projection_change(gramian.squeeze(0)) == pytest.approx(expected, rel=1e-5)


def test_without_conflicts_the_projection_changes_nothing():
    """Orthogonal rows keep their mean, and rows of zero have none."""
    assert projection_change(torch.eye(2).repeat(2, 1, 1)) == 0.0
    assert projection_change(torch.zeros(2, 2, 2)) == 0.0
