"""ArcFace: a margin on the angle (Deng et al., arXiv 1801.07698, eq. 3)."""

import math

import torch
from pydantic import Field
from torch import Tensor

from sfsc.losses.base import CosineLoss, CosineSettings

SMALLEST_SQUARED_SINE = 1e-7
"""Below it the sine counts as constant, because its slope is infinite at angles 0 and pi. This is
the rounding of a float32 cosine near 1."""


class Settings(CosineSettings):
    """A margin on the angle."""

    margin: float = Field(default=0.2, ge=0.0, lt=math.pi)
    """By how much the true identity's angle is increased, radians; 0.5 in the paper."""


class ArcFace(CosineLoss):
    """Cross-entropy of scaled cosines, the true identity's with its angle increased.

    Differs from the paper: where the increased angle would pass pi, its cosine would rise again and
    reward the worst embeddings. There the true identity's score is `cos(theta) - (1 - cos(m))`,
    which is continuous and keeps falling with the angle.
    """

    def with_margin(self, cosine: Tensor, is_true: Tensor) -> Tensor:
        """Return `cos(theta + m)` of the true identity, the others' cosines as they are."""
        cos_m, sin_m = math.cos(self.margin), math.sin(self.margin)
        sine = (1.0 - cosine.square()).clamp(min=SMALLEST_SQUARED_SINE).sqrt()
        within = cosine > -cos_m  # theta + m < pi
        increased = torch.where(within, cosine * cos_m - sine * sin_m, cosine - (1.0 - cos_m))
        return torch.where(is_true, increased, cosine)


def build(settings: Settings) -> ArcFace:
    """Return the loss with these settings."""
    return ArcFace(**settings.model_dump(exclude={"name"}))
