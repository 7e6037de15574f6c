"""Which kernels are recorded and what is given to them; the recordings are called, not replayed."""

from collections.abc import Callable
from functools import partial
from unittest.mock import MagicMock

import pytest
import torch

from sfsc.aggregation.aggregators.projection import Projection
from sfsc.aggregation.conflicts import update_cosines
from sfsc.compute import generator_for
from sfsc.errors import ConfigError
from sfsc.losses.bases.softmax import Softmax
from sfsc.networks.build import EmbeddingNetwork
from sfsc.settings import parts
from sfsc.training import replay
from sfsc.training.build import build_criterion
from sfsc.training.model import IdentityModel
from sfsc.training.replay import ReplayedGradients, ReplayedJacobian
from sfsc.training.step import compute_gradients

import sections
from jacobians import nested_jacobian
from sections import loss_section


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was recorded; its results are tensors that stay, as those of a recording do."""
    made: list[object] = []

    class Recording:
        def __init__(self, function: Callable[[], object], buffers: object = ()) -> None:
            del buffers
            made.append(function)
            self.function, self.result = function, None

        def __call__(self) -> object:
            found = self.function()
            if self.result is None:
                self.result = found
            _overwrite(self.result, found)
            return self.result

    monkeypatch.setattr(replay, "Replay", Recording)
    return made


def _overwrite(kept: object, found: object) -> None:
    """Copy the tensors of one result into those of another."""
    if isinstance(kept, torch.Tensor):
        kept.copy_(found)
    elif isinstance(kept, float):
        assert kept == found
    elif isinstance(kept, dict):
        for key in kept:
            _overwrite(kept[key], found[key])
    elif isinstance(kept, list):
        for one, other in zip(kept, found, strict=True):
            _overwrite(one, other)
    else:
        _overwrite(kept.jacobian.rows, found.jacobian.rows)
        for one, other in zip(kept.objectives, found.objectives, strict=True):
            _overwrite(vars(one), vars(other))


@pytest.mark.parametrize("widths", [(0.25, 0.5, 1.0), (1.0,)], ids=["three", "one"])
@pytest.mark.parametrize("aggregator", parts.names("aggregation.aggregators"))
def test_each_step_s_update_is_that_of_its_gradients(
    aggregator: str, widths: tuple[float, ...], recordings: list[object]
):
    """Though every step writes them to the same places; nothing is recorded twice."""
    criterion = build_criterion(loss_section())
    network = EmbeddingNetwork("small_resnet", widths=widths, embedding_dim=8, image_channels=3)
    model = IdentityModel(
        network, embedding_dim=8, identities=5, base_loss=Softmax(label_smoothing=0.1)
    ).train()
    compute = partial(compute_gradients, model, criterion=criterion)
    aggregate = sections.aggregator(aggregator)
    replayed, counts = ReplayedGradients(compute, model), []
    for number in range(3):
        images, labels = torch.randn(10, 3, 16, 16), torch.randint(0, 5, (10,))
        ours = replayed(images, labels, progress=0.1 * number, loss_scale=2.0**number)
        theirs = compute(images, labels, progress=0.1 * number, loss_scale=2.0**number)
        for one, other in zip(ours.objectives, theirs.objectives, strict=True):
            assert torch.equal(one.total, other.total)
            assert torch.equal(one.uncertainty, other.uncertainty)
            assert all(torch.equal(value, other.losses[n]) for n, value in one.losses.items())
        update, expected = (
            aggregate(gradients.jacobian, generator_for(number)) for gradients in (ours, theirs)
        )
        assert update.keys() == expected.keys()
        assert all(torch.equal(update[name], expected[name]) for name in expected)
        counts.append(len(recordings))
    assert counts[0] == counts[1] == counts[2] <= 5


@pytest.mark.parametrize("granularity", ["nested", "whole", "layer", "kernel"])
def test_each_granularity_is_replayed(granularity: str, recordings: list[object]):
    """What a step records of conflicts, too."""
    plain = nested_jacobian(conflict=3.0)
    replayed = ReplayedJacobian(plain.rows)
    aggregate = Projection(granularity, "sum")
    for number in range(2):
        for row in plain.rows:
            for gradient in row.values():
                gradient.add_(torch.randn_like(gradient))
        vars(plain).pop("blocks", None)
        replayed.renew()
        update, expected = (aggregate(j, generator_for(number)) for j in (replayed, plain))
        assert all(torch.equal(update[name], expected[name]) for name in expected)
        assert torch.equal(update_cosines(replayed, update), update_cosines(plain, expected))
        for names, gramian in plain.gramians("layer").items():
            assert torch.equal(replayed.gramians("layer")[names], gramian)
    assert len(recordings) == (4 if granularity == "layer" else 5)


def test_what_waits_for_a_value_is_refused(monkeypatch: pytest.MonkeyPatch):
    """With torch's reason; a lack of memory stays what it is."""
    stream = MagicMock()
    for name in ("Stream", "stream", "current_stream", "CUDAGraph", "graph"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: stream)
    calls: list[int] = []

    def fails_with(error: Exception) -> None:
        calls.append(1)
        if len(calls) > replay.WARM_UPS:  # in the recording alone
            raise error

    stream.__exit__.return_value = None
    with pytest.raises(ConfigError) as refused:
        replay.Replay(lambda: fails_with(RuntimeError("CUDA error: not permitted.\nMore of it.")))
    assert str(refused.value) == (
        "With `train.cuda_graphs` nothing in a step may wait for a value of the GPU, as `.item()` "
        "does. Found: CUDA error: not permitted. Rewrite the part that does, or set "
        "`train.cuda_graphs` to false."
    )
    calls.clear()
    with pytest.raises(torch.OutOfMemoryError):
        replay.Replay(lambda: fails_with(torch.OutOfMemoryError("no memory")))
