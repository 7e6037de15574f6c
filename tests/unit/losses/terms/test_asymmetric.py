"""Each asymmetric loss against a naive loop, its gradient in float64, and its special cases."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from sfsc.errors import ConfigError
from sfsc.losses.terms.asymmetric import Settings, asymmetric_loss
from sfsc.settings.problems import validate

Point = list[float]
KINDS = ("regression", "contrastive", "triplet")


def margin_of(kind: str, margin: float) -> float | None:
    """Return the margin, which regression does not have."""
    return None if kind == "regression" else margin


def unit(x: Tensor) -> list[Point]:
    """Return rows of length 1."""
    return (x / x.norm(dim=1, keepdim=True)).tolist()


def naive_regression(a: list[Point], r: list[Point], labels: list[int], margin: float) -> float:
    """Squared distance of each image's two vectors."""
    del labels, margin
    return sum(math.dist(x, y) ** 2 for x, y in zip(a, r, strict=True)) / len(a)


def naive_contrastive(a: list[Point], r: list[Point], labels: list[int], margin: float) -> float:
    """Pair by pair."""
    pulls, pushes = [], []
    for i, x in enumerate(a):
        for j, y in enumerate(r):
            if labels[i] == labels[j]:
                pulls.append(math.dist(x, y) ** 2)
            else:
                pushes.append(max(0.0, margin - math.dist(x, y)) ** 2)
    return sum(pulls) / len(pulls) + sum(pushes) / max(1, len(pushes))


def naive_triplet(a: list[Point], r: list[Point], labels: list[int], margin: float) -> float:
    """Batch-hard triplets by exhaustive search; the own image is a positive."""
    losses = []
    for i, x in enumerate(a):
        positives = [math.dist(x, y) for j, y in enumerate(r) if labels[j] == labels[i]]
        negatives = [math.dist(x, y) for j, y in enumerate(r) if labels[j] != labels[i]]
        if negatives:
            losses.append(max(0.0, margin + max(positives) - min(negatives)))
    return sum(losses) / max(1, len(losses))


NAIVE: dict[str, Callable[[list[Point], list[Point], list[int], float], float]] = {
    "regression": naive_regression,
    "contrastive": naive_contrastive,
    "triplet": naive_triplet,
}


@pytest.mark.parametrize("kind", KINDS)
class TestEachKind:
    """Regression, contrastive and triplet."""

    @pytest.mark.parametrize("labels", [[0, 0, 0, 1, 1, 2, 3], [5] * 7, list(range(7))], ids=str)
    def test_equals_the_naive_loop(self, kind: str, labels: list[int]):
        """It is its definition on unit vectors; identities may be alone or the only one."""
        embedding, reference = torch.randn(7, 4).double(), torch.randn(7, 4).double()
        expected = NAIVE[kind](unit(embedding), unit(reference), labels, 1.2)
        found = asymmetric_loss(
            embedding, reference, torch.tensor(labels), kind=kind, margin=margin_of(kind, 1.2)
        )
        assert found.item() == pytest.approx(expected, rel=1e-9)

    def test_gradient(self, kind: str):
        """Its gradient agrees with finite differences."""
        embedding = torch.randn(6, 3).double().requires_grad_()
        reference = torch.randn(6, 3).double().requires_grad_()
        labels = torch.arange(6) // 2

        def loss(a: Tensor, r: Tensor) -> Tensor:
            return asymmetric_loss(a, r, labels, kind=kind, margin=margin_of(kind, 1.2))

        assert gradcheck(loss, (embedding, reference))

    @pytest.mark.parametrize("is_frozen", [False, True])
    def test_moves_the_sub_model_and_a_reference_that_may_move(self, kind: str, is_frozen: bool):
        """Every embedding of the sub-model has a gradient; a frozen reference has none."""
        embedding = torch.randn(6, 3, requires_grad=True)
        reference = torch.randn(6, 3, requires_grad=not is_frozen)
        labels = torch.arange(6) // 2
        asymmetric_loss(
            embedding, reference, labels, kind=kind, margin=margin_of(kind, 3.0)
        ).backward()
        assert (embedding.grad.abs().sum(dim=1) > 0).all()
        assert (reference.grad is None) == is_frozen

    def test_length_does_not_matter(self, kind: str):
        """Embeddings count by their direction alone."""
        embedding, reference = torch.randn(6, 3), torch.randn(6, 3)
        labels = torch.arange(6) // 2
        found = asymmetric_loss(
            2.0 * embedding, 0.5 * reference, labels, kind=kind, margin=margin_of(kind, 1.2)
        )
        expected = asymmetric_loss(
            embedding, reference, labels, kind=kind, margin=margin_of(kind, 1.2)
        )
        torch.testing.assert_close(found, expected)

    @pytest.mark.parametrize("length", [0.0, 1e-20, 1.0, 1e10])
    def test_embeddings_equal_to_the_reference_have_a_finite_gradient(
        self, kind: str, length: float
    ):
        """A distance of 0 is no division by zero."""
        reference = length * torch.randn(6, 3)
        embedding = reference.clone().requires_grad_()
        labels = torch.arange(6) // 2
        loss = asymmetric_loss(embedding, reference, labels, kind=kind, margin=margin_of(kind, 1.2))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(embedding.grad).all()


@pytest.mark.parametrize("kind", ["regression", "contrastive"])
def test_a_perfect_sub_model_has_no_loss(kind: str):
    """One vector per identity, the reference's, far from the others'."""
    reference = torch.eye(3).repeat_interleave(2, dim=0)
    labels = torch.arange(6) // 2
    loss = asymmetric_loss(reference, reference, labels, kind=kind, margin=margin_of(kind, 1.2))
    assert loss.item() == pytest.approx(0.0, abs=1e-12)


def test_batch_composition_does_not_scale_the_contrastive_loss():
    """Each image twice over: the same loss."""
    embedding, reference, labels = torch.randn(6, 3), torch.randn(6, 3), torch.arange(6) // 2
    once = asymmetric_loss(embedding, reference, labels, kind="contrastive", margin=1.2)
    twice = [x.repeat(2, *[1] * (x.dim() - 1)) for x in (embedding, reference, labels)]
    torch.testing.assert_close(asymmetric_loss(*twice, kind="contrastive", margin=1.2), once)


@pytest.mark.parametrize(("kind", "margin"), [("regression", 0.3), ("triplet", None)])
def test_a_margin_that_would_be_ignored_or_is_missing_is_refused(kind: str, margin: float | None):
    """Regression has no margin, the other kinds need one."""
    with pytest.raises(ConfigError, match="`margin` must be null with `kind: regression`"):
        validate(Settings, {"name": "asymmetric", "kind": kind, "margin": margin}, source="x")
    x = torch.randn(4, 3)
    with pytest.raises(ValueError, match="`margin` must be None with `kind = regression`"):
        asymmetric_loss(x, x, torch.arange(4), kind=kind, margin=margin)
