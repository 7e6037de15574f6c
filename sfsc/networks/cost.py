"""What a sub-model costs: multiply-accumulates and parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from sfsc.networks.build import Network
from sfsc.networks.extract import extract


@dataclass(frozen=True)
class Cost:
    """Cost of one sub-model."""

    macs: int
    """Multiply-accumulates of convolutions, linear layers and attention for one image."""
    parameters: int
    """Numbers that the extracted sub-model stores, batch-norm statistics not counted."""


def cost(network: Network, switch: int, image_shape: tuple[int, int, int]) -> Cost:
    """Count what embedding one image in sub-model `switch` costs.

    Counted by operation here: torch's own counter would import its compiler, which takes a second
    of each training. A test compares the two.

    Args:
        network: A switchable network, or one network per width.
        switch: Index of the sub-model.
        image_shape: (C, H, W).
    """
    dense, counter = extract(network, switch).eval(), _Counter()
    with torch.no_grad(), counter:
        dense(torch.zeros(1, *image_shape))
    parameters = sum(parameter.numel() for parameter in dense.parameters())
    return Cost(macs=counter.macs, parameters=parameters)


class _Counter(TorchFunctionMode):
    """Counts multiply-accumulates while it is entered."""

    macs = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in {functional.conv2d, functional.linear}:
            self.macs += output.numel() * args[1][0].numel()  # one per weight of an output
        elif func is functional.scaled_dot_product_attention:
            query, key, _ = args
            self.macs += (query.numel() + output.numel()) * key.shape[-2]  # each with all tokens
        return output
