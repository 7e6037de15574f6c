"""Each base loss against a naive loop, its gradient in float64, and extreme embeddings."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn import functional

from sfsc.errors import ConfigError
from sfsc.losses.base import BaseLoss
from sfsc.settings import parts
from sfsc.settings.problems import validate

SCALE, MARGIN, SMOOTHING = 8.0, 0.3, 0.1
LABELS = [0, 6, 3, 3, 1]
MSMT_IDENTITIES = 1041
Row = list[float]


def base_loss(name: str, **changes: float) -> BaseLoss:
    """Return a part with the settings above or changed ones."""
    cosine = {} if name == "softmax" else {"scale": SCALE, "margin": MARGIN}
    part = parts.load("losses.bases", name)
    settings = {"label_smoothing": SMOOTHING} | cosine | changes
    loss: BaseLoss = part.build(validate(part.Settings, settings, source=f"loss.base {name}"))
    return loss


def naive_cross_entropy(rows: list[Row], labels: list[int], smoothing: float) -> float:
    """Cross-entropy with label smoothing, one sample and class at a time."""
    total = 0.0
    for row, label in zip(rows, labels, strict=True):
        log_sum = math.log(sum(math.exp(z) for z in row))
        for k, z in enumerate(row):
            target = smoothing / len(row) + (1.0 - smoothing) * (k == label)
            total -= target * (z - log_sum)
    return total / len(labels)


def dot(a: Row, b: Row) -> float:
    """Inner product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def cosine(a: Row, b: Row) -> float:
    """Cosine of the angle between two vectors."""
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def arc(c: float, is_true: bool) -> float:
    """Return the true identity's cosine at a larger angle; continued where that passes pi."""
    if not is_true:
        return c
    angle = math.acos(c) + MARGIN
    return math.cos(angle) if angle < math.pi else c - 1.0 + math.cos(MARGIN)


def circle(c: float, is_true: bool) -> float:
    """Return the weighted similarity of eq. 6."""
    if is_true:
        return max(0.0, 1.0 + MARGIN - c) * (c - (1.0 - MARGIN))
    return max(0.0, c + MARGIN) * (c - MARGIN)


WITH_MARGIN: dict[str, Callable[[float, bool], float]] = {
    "arcface": arc,
    "cosface": lambda c, is_true: c - MARGIN * is_true,
    "circle": circle,
}
NAMES = ("softmax", *WITH_MARGIN)


def naive_rows(name: str, embedding: Tensor, classifier: Tensor) -> list[Row]:
    """Return what each loss takes the cross-entropy of."""
    f, w = embedding.tolist(), classifier.tolist()
    if name == "softmax":
        return [[dot(a, b) for b in w] for a in f]
    return [
        [SCALE * WITH_MARGIN[name](cosine(a, b), k == label) for k, b in enumerate(w)]
        for a, label in zip(f, LABELS, strict=True)
    ]


@pytest.mark.parametrize("name", NAMES)
class TestEachLoss:
    """Softmax, ArcFace, CosFace and circle loss."""

    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_equals_the_naive_loop(self, name: str, smoothing: float):
        """It is its paper's equation, with label smoothing, averaged over the samples."""
        embedding, classifier = torch.randn(5, 4).double(), torch.randn(7, 4).double()
        embedding[2] = -classifier[3] + 0.01  # an angle of nearly pi to its own identity
        loss = base_loss(name, label_smoothing=smoothing)
        found = loss(loss.logits(embedding, classifier), torch.tensor(LABELS))
        rows = naive_rows(name, embedding, classifier)
        expected = naive_cross_entropy(rows, LABELS, smoothing)
        assert found.item() == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("length", [0.0, 1e-20, 1e4])
    def test_extreme_embeddings_stay_finite(self, name: str, length: float):
        """Loss and gradient are finite for vectors of any length and angle."""
        classifier = torch.randn(MSMT_IDENTITIES, 16)
        signs = torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None]
        embedding = (length * signs * classifier[[0, 1, 5, 5]]).requires_grad_()
        classifier.requires_grad_()
        loss = base_loss(name, **({} if name == "softmax" else {"scale": 1e3}))
        value = loss(loss.logits(embedding, classifier), torch.arange(4))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(embedding.grad).all()
        assert torch.isfinite(classifier.grad).all()

    def test_moves_embedding_and_classifier(self, name: str):
        """A small step against the gradient lowers the loss."""
        embedding, classifier = torch.randn(5, 4).double(), torch.randn(7, 4).double()
        leaves = [embedding.requires_grad_(), classifier.requires_grad_()]
        loss, labels = base_loss(name), torch.tensor(LABELS)
        before = loss(loss.logits(*leaves), labels)
        gradients = torch.autograd.grad(before, leaves)
        assert all((gradient.abs().sum(dim=1) > 0).all() for gradient in gradients)
        moved = [x - 1e-3 * g for x, g in zip(leaves, gradients, strict=True)]
        assert loss(loss.logits(*moved), labels) < before


@pytest.mark.parametrize("name", ["softmax", "arcface", "cosface"])
def test_gradient(name: str):
    """Its gradient agrees with finite differences; circle loss weighs with constants instead."""
    embedding = torch.randn(5, 4).double().requires_grad_()
    classifier = torch.randn(7, 4).double().requires_grad_()
    loss, labels = base_loss(name), torch.tensor(LABELS)
    assert gradcheck(lambda f, w: loss(loss.logits(f, w), labels), (embedding, classifier))


def test_gradient_of_circle_loss():
    """Softmax minus target, times each similarity's weight: largest far from the optimum."""
    cosines = (2.0 * torch.rand(5, 7).double() - 1.0).requires_grad_()
    labels = torch.tensor(LABELS)
    base_loss("circle")(SCALE * cosines, labels).backward()
    target = torch.full((5, 7), SMOOTHING / 7).double()
    rows, weights = target.clone(), target.clone()
    for i, label in enumerate(LABELS):
        target[i, label] += 1.0 - SMOOTHING
        for k in range(7):
            c = cosines[i, k].item()
            rows[i, k] = SCALE * circle(c, k == label)
            weights[i, k] = max(0.0, 1.0 + MARGIN - c if k == label else c + MARGIN)
    expected = SCALE * weights * (rows.softmax(dim=1) - target) / 5
    torch.testing.assert_close(cosines.grad, expected)


@pytest.mark.parametrize("name", ["arcface", "cosface"])
def test_without_margin_it_is_the_cross_entropy_of_scaled_cosines(name: str):
    """The neutral setting of both margins is the same loss."""
    embedding, classifier = torch.randn(5, 4).double(), torch.randn(7, 4).double()
    loss, labels = base_loss(name, margin=0.0), torch.tensor(LABELS)
    found = loss(loss.logits(embedding, classifier), labels)
    cosines = functional.cosine_similarity(embedding[:, None], classifier[None], dim=2)
    expected = functional.cross_entropy(SCALE * cosines, labels, label_smoothing=SMOOTHING)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["arcface", "cosface"])
def test_a_margin_asks_for_more(name: str):
    """The same embeddings have a higher loss with a larger margin."""
    logits, labels = SCALE * (2.0 * torch.rand(5, 7) - 1.0), torch.tensor(LABELS)
    losses = [base_loss(name, margin=m, label_smoothing=0.0)(logits, labels) for m in (0, 0.2, 0.4)]
    assert losses == sorted(losses)
    assert losses[0] < losses[-1]


@pytest.mark.parametrize("margin", [0.0, 0.3, 0.5, 1.5, 3.0])
def test_arcface_falls_with_the_angle_to_the_end(margin: float):
    """The true identity's score is continuous and monotone from angle 0 to pi."""
    angles = torch.linspace(1e-3, math.pi - 1e-3, 2001).double()
    cosines, is_true = angles.cos()[:, None], torch.ones(2001, 1, dtype=torch.bool)
    steps = base_loss("arcface", margin=margin).with_margin(cosines, is_true).diff(dim=0)
    assert (steps < 0).all()
    assert (steps > -0.01).all()


@pytest.mark.parametrize("name", WITH_MARGIN)
def test_logits_know_no_margin(name: str):
    """The scores that are evidence are the same whatever the margin."""
    embedding, classifier = torch.randn(5, 4), torch.randn(7, 4)
    first, second = (base_loss(name, margin=m).logits(embedding, classifier) for m in (0, 1))
    assert torch.equal(first, second)


def test_arcface_refuses_a_margin_that_is_no_angle():
    """Half a turn or more would put every embedding beyond the end."""
    with pytest.raises(ConfigError) as error:
        base_loss("arcface", margin=4.0)
    assert str(error.value) == (
        "loss.base arcface is not valid (1 problem):\n"
        "  - `margin` should be less than 3.141592653589793. Found `4.0`."
    )
