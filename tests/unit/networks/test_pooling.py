"""A feature map becomes one vector."""

import torch

from sfsc.networks.pooling import POOLINGS, GeneralisedMean
from sfsc.networks.switchable import submodel_blocks


def test_the_average_is_the_mean_of_all_places():
    """The mean over all positions, in any sub-model."""
    x = torch.randn(2, 5, 4, 3)
    torch.testing.assert_close(POOLINGS["average"](2)(x, 1), x.flatten(2).mean(dim=2))


def test_generalised_mean_by_hand():
    """The cube root of (1^3 + 2^3 + 0 + 0) / 4 = 9/4; negative features count as zero."""
    x = torch.tensor([1.0, 2.0, 0.0, -5.0]).reshape(1, 1, 2, 2)
    torch.testing.assert_close(GeneralisedMean()(x), torch.tensor([[2.25]]) ** (1 / 3))
    torch.testing.assert_close(GeneralisedMean(1.0)(x.abs()), torch.tensor([[2.0]]))


def test_exponents_are_private_and_learn():
    """Each sub-model trains its own exponent; zero features give finite gradients."""
    pooling = POOLINGS["gem"](2)
    assert submodel_blocks(pooling, 1) == {"private.1.exponent": (1,)}
    x = torch.rand(2, 3, 4, 4)
    x[0] = 0.0
    pooling(x, 1).sum().backward()
    assert pooling.private[0].exponent.grad is None
    assert torch.isfinite(pooling.private[1].exponent.grad).all()
    assert pooling.private[1].exponent.grad.abs() > 0
