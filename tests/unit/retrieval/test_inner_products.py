"""Exact inner products against Python's, fast ones against exact ones."""

import math

import pytest
import torch

from sfsc.retrieval.inner_products import TOLERANCE, exact_products, fast_products, order_by_score


def draw(n: int, dimension: int) -> torch.Tensor:
    """Return unit vectors."""
    generator = torch.Generator().manual_seed(dimension)
    return torch.nn.functional.normalize(torch.randn(n, dimension, generator=generator), dim=1)


@pytest.mark.parametrize("dimension", [1, 2, 3, 7, 96, 513])
def test_exact_products_are_sums_in_float64(dimension: int):
    """For any number of values, odd ones included."""
    a, b = draw(3, dimension), draw(5, dimension)
    rows, columns = torch.ones(3, 5).nonzero(as_tuple=True)
    expected = [
        math.fsum(x * y for x, y in zip(a[i].tolist(), b[j].tolist(), strict=True))
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    found = exact_products(a, b, rows, columns)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, abs=1e-15)


def test_exact_products_do_not_depend_on_what_is_computed_with_them():
    """Not a bit: alone, among others and beyond the first part."""
    a, b = draw(40, 129), draw(60, 129)
    rows, columns = torch.ones(40, 60).nonzero(as_tuple=True)
    together = exact_products(a, b, rows, columns)
    for place in (0, 7, 1023, 1024, 2399):
        alone = exact_products(a, b, rows[place : place + 1], columns[place : place + 1])
        assert alone.item() == together[place].item()


def test_the_additions_form_a_tree():
    """Rounding shows which numbers are added first, as 1e30 + 1 is 1e30."""
    products = torch.tensor([[1e30, 3.0, 1.0, -1e30]])
    ones = torch.ones(1, 4)
    zero = torch.zeros(1, dtype=torch.int64)
    assert exact_products(products, ones, zero, zero).item() == 0.0
    assert exact_products(products[:, [0, 1, 3, 2]], ones, zero, zero).item() == 4.0


@pytest.mark.parametrize("dimension", [64, 512, 2048])
def test_the_error_of_fast_products_is_below_half_the_tolerance(dimension: int):
    """Also of copies, whose inner products are the largest."""
    a = draw(300, dimension)
    exact = a.double() @ a.double().T
    assert (fast_products(a, a) - exact).abs().max() < TOLERANCE / 2


def test_pairs_are_ordered_within_their_owners():
    """Descending; equal scores keep their order."""
    owners, scores = torch.tensor([0, 0, 0, 2, 2]), torch.tensor([0.0, 1.0, 0.0, 0.5, 0.7])
    assert order_by_score(owners, scores).tolist() == [1, 0, 2, 4, 3]
