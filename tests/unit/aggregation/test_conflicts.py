"""The update's cosines say whom a step goes against."""

import torch

from sfsc.aggregation.aggregators.sum import Sum
from sfsc.aggregation.conflicts import update_cosines
from sfsc.aggregation.jacobian import NestedJacobian


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
