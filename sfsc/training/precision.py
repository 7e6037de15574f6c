"""Mixed precision (Micikevicius et al., arXiv 1710.03740): the network's activations in 16 bits.

Weights, losses, gradients and their aggregation stay in float32. Small gradients would vanish in
fp16, so losses are multiplied by a scale before they are differentiated, and the gradients are
divided by it. A step whose gradients are not finite is skipped and the scale halved.
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
        device: The network's device.
        precision: float32, bf16 or fp16.
    """
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, DTYPES[precision])


class LossScale:
    """The factor of the losses: adapted to overflows in fp16, constantly 1 otherwise.

    Args:
        precision: float32, bf16 or fp16.
    """

    def __init__(self, precision: str) -> None:
        self.is_dynamic = precision == "fp16"
        self.value = FIRST_SCALE if self.is_dynamic else 1.0
        self.good_steps = 0

    @property
    def factor(self) -> float | None:
        """The factor of the losses, None if there is none."""
        return self.value if self.is_dynamic else None

    def accepts(self, gradient_norms: Sequence[float]) -> bool:
        """Return whether a step's gradients are finite, and adapt the scale to them.

        Args:
            gradient_norms: Norm of each sub-model's gradient, already divided by the scale.
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
