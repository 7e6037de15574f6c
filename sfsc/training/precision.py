"""Mixed precision (Micikevicius et al., arXiv 1710.03740): the network's activations in 16 bits.

Weights, losses, gradients and their aggregation stay in float32. The small gradients of fp16 would
vanish: losses are multiplied by a scale before they are differentiated, and the gradients divided
by it. A step whose gradients are not finite is left out and the scale halved.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
FIRST_SCALE = 2.0**16
GROWTH_STEPS = 2000
"""Steps without overflow after which the scale doubles."""


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """Return the context in which a network's activations have a precision.

    Args:
        device: Of the network.
        precision: float32, bf16 or fp16.
    """
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, DTYPES[precision])


class LossScale:
    """The factor of the losses, adapted to what overflows; 1 for ever but in fp16.

    Args:
        precision: float32, bf16 or fp16.
    """

    def __init__(self, precision: str) -> None:
        self.is_dynamic = precision == "fp16"
        self.value = FIRST_SCALE if self.is_dynamic else 1.0
        self.good_steps = 0

    @property
    def factor(self) -> float | None:
        """What the losses are multiplied by, if by anything."""
        return self.value if self.is_dynamic else None

    def accepts(self, gradient_norms: Sequence[float]) -> bool:
        """Adapt the scale to the gradients of a step; return whether the step may be made.

        Args:
            gradient_norms: Of the sub-models, divided by the scale.
        """
        if not self.is_dynamic:
            return True
        if not all(map(math.isfinite, gradient_norms)):
            self.value, self.good_steps = self.value / 2, 0
            return False
        self.good_steps += 1
        if self.good_steps == GROWTH_STEPS:
            self.value, self.good_steps = self.value * 2, 0
        return True
