"""16 bits where they are cheap, float32 where they count."""

import math

import pytest
import torch

from sfsc.losses.bases.softmax import Softmax
from sfsc.networks.build import EmbeddingNetwork
from sfsc.training.build import build_criterion
from sfsc.training.model import IdentityModel
from sfsc.training.precision import FIRST_SCALE, GROWTH_STEPS, LossScale
from sfsc.training.step import compute_gradients

from sections import loss_section

WIDTHS = (0.25, 1.0)


def rows(precision: str, *, loss_scale: float | None = None, **loss: object) -> list[dict]:
    """Return the gradients of a fixed model on a fixed batch."""
    torch.manual_seed(0)
    network = EmbeddingNetwork("small_resnet", widths=WIDTHS, embedding_dim=8, image_channels=3)
    model = IdentityModel(
        network,
        embedding_dim=8,
        identities=5,
        base_loss=Softmax(label_smoothing=0.1),
        precision=precision,
    )
    images, labels = torch.randn(10, 3, 16, 16), torch.arange(10) // 2
    gradients = compute_gradients(
        model.train(),
        images,
        labels,
        criterion=build_criterion(loss_section(**loss)),
        progress=0.5,
        loss_scale=loss_scale,
    )
    return [dict(row) for row in gradients.jacobian.rows]


def flat(row: dict) -> torch.Tensor:
    """Return a row as one vector."""
    return torch.cat([gradient.flatten() for gradient in row.values()])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_gradients_of_16_bits_are_close_and_float32(precision: str):
    """They point where those of float32 point, and are not the same."""
    scale = 2.0**8 if precision == "fp16" else None
    exact, rounded = rows("float32"), rows(precision, loss_scale=scale)
    for ours, theirs in zip(rounded, exact, strict=True):
        assert {gradient.dtype for gradient in ours.values()} == {torch.float32}
        assert not torch.equal(flat(ours), flat(theirs))
        assert torch.cosine_similarity(flat(ours), flat(theirs), dim=0) > 0.98
        assert flat(ours).norm() == pytest.approx(float(flat(theirs).norm()), rel=0.05)


def test_the_scale_leaves_the_gradients_alone():
    """Powers of two are exact in float32."""
    loss = {"terms": {"asymmetric": {}}}
    for ours, theirs in zip(
        rows("float32", loss_scale=2.0**10, **loss), rows("float32", **loss), strict=True
    ):
        torch.testing.assert_close(flat(ours), flat(theirs), rtol=1e-6, atol=0)


def test_the_scale_saves_small_gradients():
    """Without it most gradients of a small loss are lost to fp16."""
    small = {"submodels": {"base_weight": 1e-6}, "terms": {"compatible": None, "triplet": None}}

    def share_of_zeros(loss_scale: float) -> float:
        gradient = rows("fp16", loss_scale=loss_scale, **small)[0][
            "network.backbone.stem.conv.weight"
        ]
        return float((gradient == 0).float().mean())

    assert share_of_zeros(1.0) > 0.5
    assert share_of_zeros(FIRST_SCALE) < 0.05


def test_overflow_halves_the_scale_and_rejects_the_step():
    """Until the gradients are finite."""
    scale = LossScale("fp16")
    assert not scale.accepts([1.0, math.inf])
    assert not scale.accepts([math.nan, 1.0])
    assert scale.value == FIRST_SCALE / 4
    assert scale.accepts([1.0, 1.0])
    assert scale.value == FIRST_SCALE / 4


def test_good_steps_double_the_scale():
    """After many without overflow; an overflow starts the count again."""
    scale = LossScale("fp16")
    assert all(scale.accepts([1.0]) for _ in range(GROWTH_STEPS - 1))
    assert not scale.accepts([math.inf])
    assert all(scale.accepts([1.0]) for _ in range(GROWTH_STEPS - 1))
    assert scale.value == FIRST_SCALE / 2
    assert scale.accepts([1.0])
    assert scale.value == FIRST_SCALE


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_only_fp16_scales(precision: str):
    """The others have the range of float32: a gradient that is not finite is no overflow."""
    scale = LossScale(precision)
    assert scale.accepts([math.inf])
    assert scale.value == 1.0
