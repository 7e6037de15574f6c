"""The nearest images of each image against a sort of all."""

import numpy as np
import pytest
import torch

from sfsc.retrieval.nearest import find_nearest


def test_equally_near_images_are_neighbours_in_their_order():
    """An image is no neighbour of itself, its copies are."""
    copies = torch.ones(5, 4) / 2
    found = find_nearest(copies, copies, 3, is_same=True)
    assert found.images.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2]]
    assert (found.scores == 1).all()


@pytest.mark.parametrize("k", [1, 20, 299])
@pytest.mark.parametrize("block_rows", [7, 256])
def test_neighbours_are_those_of_a_stable_sort(k: int, block_rows: int):
    """Copies are equally near, whatever is computed at once."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(300, 24, generator=generator), dim=1)
    vectors[100:190] = vectors[torch.randint(0, 5, (90,), generator=generator)]
    exact = vectors.double() @ vectors.double().T
    exact = (exact * 2**40).round()  # copies score equally in spite of the matrix product
    exact.fill_diagonal_(-torch.inf)
    expected = exact.argsort(dim=1, descending=True, stable=True)[:, :k]
    found = find_nearest(vectors, vectors, k, is_same=True, block_rows=block_rows)
    assert np.array_equal(found.images, expected.numpy())


def test_there_may_be_fewer_images_than_asked_for():
    """All then are neighbours; an image alone has none."""
    alone = torch.ones(1, 1)
    assert find_nearest(alone, alone, 3).images.tolist() == [[0]]
    assert find_nearest(alone, alone, 3, is_same=True).images.shape == (1, 0)
