"""A step's kernels, recorded once and launched together from then on (CUDA graphs).

A step of four sub-models consists of thousands of short kernels. A modern GPU runs them in a third
of the time that Python takes to launch them one by one.

A recording reads and writes fixed addresses: each call overwrites the results of the call before.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from sfsc.aggregation.jacobian import Granularity, Names, NestedJacobian
from sfsc.errors import ConfigError
from sfsc.training.step import Compute, Gradients

T = TypeVar("T")

WARM_UPS = 2
"""Calls before the recording, in which libraries allocate their workspaces."""


class Replay(Generic[T]):
    """The recorded kernels of a function.

    Args:
        function: Must not wait for a value of the GPU; its inputs must stay at their addresses. It
            is called a few times.
        buffers: Tensors that the function changes in place; they keep their values until the first
            replay.

    Raises:
        ConfigError: If the function waits for a value.
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
            first = error.__context__ or error  # the cause; the second says that recording failed
            raise ConfigError(
                "With `train.cuda_graphs` nothing in a step may wait for a value of the GPU, as "
                f"`.item()` does. Found: {str(first).splitlines()[0]} Rewrite the part that does, "
                "or set `train.cuda_graphs` to false."
            ) from error

    def __call__(self) -> T:
        """Launch the kernels; return the same tensors in each call."""
        self._graph.replay()
        return self._result


class ReplayedGradients:
    """`compute_gradients`, recorded for batches of one shape.

    Args:
        compute: Computes gradients from images, labels, weight and scale with `model`.
        model: The model in training; its running statistics move once in each call.
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
    """Rows that each step overwrites, with recordings of the kernels that aggregate them."""

    _replays: dict[Hashable, tuple[Replay[Any], list[Tensor]]] = field(default_factory=dict)
    """Each recording with the inputs that it reads."""

    def renew(self) -> None:
        """Forget what was computed from the gradients of the step before."""
        vars(self).pop("blocks", None)

    def gather_blocks(self) -> list[Tensor]:
        """See `NestedJacobian`."""
        return self._replayed("blocks", super().gather_blocks) if self.shared_names else []

    def gramians(self, granularity: Granularity) -> dict[Names, Tensor]:
        """See `NestedJacobian`."""
        if not self.blocks:
            return {}
        gramians = super().gramians
        return self._replayed(granularity, lambda: gramians(granularity))

    def solve(
        self,
        solver: Callable[[Tensor, Tensor], Tensor],
        gramians: Mapping[Names, Tensor],
        choices: Tensor,
    ) -> dict[Names, Tensor]:
        """See `NestedJacobian`; the Gramians are those of a recording."""
        if not gramians:
            return {}
        solve, key = super().solve, ("weights", solver, *gramians)
        return self._replayed(key, lambda chosen: solve(solver, gramians, chosen), choices)

    def combine(self, weights: Mapping[Names, Tensor]) -> dict[str, Tensor]:
        """See `NestedJacobian`."""
        combine, names = super().combine, tuple(weights)
        if not self.blocks:
            return combine(weights)
        key = ("update", names, *(group.shape for group in weights.values()))
        return self._replayed(
            key, lambda *groups: combine(dict(zip(names, groups, strict=True))), *weights.values()
        )

    def _replayed(self, key: Hashable, function: Callable[..., T], *inputs: Tensor) -> T:
        """Return the function's result; the first call with a key records it."""
        if key not in self._replays:
            fixed = [tensor.to(self.device, copy=True) for tensor in inputs]
            self._replays[key] = Replay(lambda: function(*fixed)), fixed
        replay, fixed = self._replays[key]
        for place, tensor in zip(fixed, inputs, strict=True):
            is_sent = place.is_cuda and not tensor.is_cuda  # from pinned memory nothing waits
            place.copy_(tensor.pin_memory() if is_sent else tensor, non_blocking=True)
        result: T = replay()
        return result
