"""Batch-hard triplets against a naive loop, their gradient in float64, and degenerate batches."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from sfsc.losses.terms.triplet import batch_hard_triplet_loss


def naive_triplet_loss(points: list[list[float]], labels: list[int], margin: float) -> float:
    """Batch-hard triplets by exhaustive search."""
    losses = []
    for a, anchor in enumerate(points):
        positives = [
            math.dist(anchor, p) for i, p in enumerate(points) if i != a and labels[i] == labels[a]
        ]
        negatives = [math.dist(anchor, p) for i, p in enumerate(points) if labels[i] != labels[a]]
        if positives and negatives:
            losses.append(max(0.0, margin + max(positives) - min(negatives)))
    return sum(losses) / max(1, len(losses))


def test_equals_the_naive_loop():
    """It takes the farthest positive and the nearest negative of each anchor."""
    points, labels = torch.randn(9, 4, dtype=torch.float64), torch.arange(9) // 3
    expected = naive_triplet_loss(points.tolist(), labels.tolist(), 0.3)
    found = batch_hard_triplet_loss(points, labels, margin=0.3)
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_anchors_without_a_triplet_do_not_count():
    """A lone identity has no positive and is left out of the mean."""
    points, labels = torch.randn(5, 4, dtype=torch.float64), torch.tensor([0, 0, 1, 1, 2])
    expected = naive_triplet_loss(points.tolist(), labels.tolist(), 5.0)
    found = batch_hard_triplet_loss(points, labels, margin=5.0)
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_without_any_triplet_it_is_zero():
    """One identity alone gives no loss and a finite gradient."""
    points = torch.randn(4, 3, requires_grad=True)
    loss = batch_hard_triplet_loss(points, torch.zeros(4, dtype=torch.int64), margin=0.3)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.isfinite(points.grad).all()


def test_duplicates_have_a_finite_gradient():
    """Embeddings that coincide do not divide by a zero distance."""
    points = torch.zeros(4, 3, requires_grad=True)
    batch_hard_triplet_loss(points, torch.tensor([0, 0, 1, 1]), margin=0.3).backward()
    assert torch.isfinite(points.grad).all()


def test_gradient():
    """Its gradient agrees with finite differences."""
    points = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(6) // 2
    assert gradcheck(lambda x: batch_hard_triplet_loss(x, labels, margin=5.0), (points,))
