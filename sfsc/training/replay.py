"""A step's kernels recorded once and launched together from then on (CUDA graphs).

A step of four sub-models is thousands of short kernels. A GPU of today runs them in a third of the
time that Python takes to launch them one by one.

What is recorded has fixed places in memory: a result is overwritten by the next call.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from sfsc.aggregation.jacobian import Granularity, NestedJacobian
from sfsc.errors import ConfigError
from sfsc.training.step import Compute, Gradients

T = TypeVar("T")

WARM_UPS = 2
"""Calls before the recording, in which libraries allocate what they keep."""


class Replay(Generic[T]):
    """The kernels of a call.

    Args:
        function: Waits for no value of a GPU; what it reads stays where it is in memory. It is
            called a few times.
        buffers: What it changes in place and the first calls must not.

    Raises:
        ConfigError: If it waits for a value.
    """

    def __init__(self, function: Callable[[], T], buffers: Iterable[Tensor] = ()) -> None:
        kept = [(buffer, buffer.clone()) for buffer in buffers]
        apart = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        apart.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(apart):
            for _ in range(WARM_UPS):
                function()
        torch.cuda.current_stream().wait_stream(apart)
        for buffer, content in kept:
            buffer.copy_(content)
        self._graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(self._graph):
                self._result = function()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            first = error.__context__ or error  # of the call, of which the recording's end fails
            raise ConfigError(
                "With `train.cuda_graphs` nothing in a step may wait for a value of the GPU, as "
                f"`.item()` does. Found: {str(first).splitlines()[0]} Rewrite the part that does, "
                "or set `train.cuda_graphs` to false."
            ) from error

    def __call__(self) -> T:
        """Launch them; return the same tensors in each call."""
        self._graph.replay()
        return self._result


class ReplayedGradients:
    """`compute_gradients` of batches of one shape.

    Args:
        compute: Of images, labels, weight and scale, the model being that of training.
        model: Its running statistics move once in each call.
    """

    def __init__(self, compute: Compute, model: nn.Module) -> None:
        self._compute, self._model = compute, model
        self._replay: Replay[Gradients] | None = None

    def __call__(
        self, images: Tensor, labels: Tensor, *, progress: float, loss_scale: float | None = None
    ) -> Gradients:
        """See `sfsc.training.step.compute_gradients`."""
        if self._replay is None:
            self._images, self._labels = images.clone(), labels.clone()
            self._progress = images.new_tensor(progress, dtype=torch.float64)
            self._loss_scale = None if loss_scale is None else images.new_tensor(loss_scale)
            self._replay = Replay(self._function, self._model.buffers())
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._progress.fill_(progress)
        if self._loss_scale is not None and loss_scale is not None:
            self._loss_scale.fill_(loss_scale)
        gradients = self._replay()
        if isinstance(gradients.jacobian, ReplayedJacobian):
            gradients.jacobian.renew()
        return gradients

    def _function(self) -> Gradients:
        found = self._compute(
            self._images, self._labels, progress=self._progress, loss_scale=self._loss_scale
        )
        return Gradients(found.objectives, ReplayedJacobian(found.jacobian.rows))


@dataclass(frozen=True)
class ReplayedJacobian(NestedJacobian):
    """Rows that are overwritten in each step, with the kernels that aggregate them."""

    _replays: dict[object, Any] = field(default_factory=dict)

    def renew(self) -> None:
        """Take notice of new gradients."""
        vars(self).pop("blocks", None)

    def gather_blocks(self) -> list[Tensor]:
        """See `NestedJacobian`."""
        return self._replayed("blocks", super().gather_blocks) if self.shared_names else []

    def gramians(self, granularity: Granularity) -> dict[str, Tensor]:
        """See `NestedJacobian`."""
        if not self.blocks:
            return {}
        gramians = super().gramians
        return self._replayed(granularity, lambda: gramians(granularity))

    def combine(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `NestedJacobian`."""
        if not self.blocks:
            return super().combine(weights)
        distinct = {id(w): w for w in weights.values()}
        numbers = {key: number for number, key in enumerate(distinct)}
        shared_by = tuple((name, numbers[id(w)]) for name, w in weights.items())
        shapes = tuple(w.shape for w in distinct.values())
        combine, device = super().combine, self.blocks[0].device
        fixed = self._replays.setdefault(
            ("weights", shared_by, shapes), [w.to(device) for w in distinct.values()]
        )
        for place, w in zip(fixed, distinct.values(), strict=True):
            place.copy_(w)
        named = {name: fixed[number] for name, number in shared_by}
        return self._replayed(("update", shared_by, shapes), lambda: combine(named))

    def _replayed(self, key: object, function: Callable[[], T]) -> T:
        if key not in self._replays:
            self._replays[key] = Replay(function)
        result: T = self._replays[key]()
        return result
