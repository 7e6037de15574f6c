"""ArcFace: a margin on the angle (Deng et al., arXiv 1801.07698, eq. 3)."""

import math

import torch
from torch import Tensor

from sfsc.config import Loss
from sfsc.errors import ConfigError
from sfsc.losses.base import CosineLoss

SMALLEST_SQUARED_SINE = 1e-7
"""Below it the angle's sine counts as constant: its slope is infinite at angles 0 and pi. The
rounding of a float32 cosine near 1."""


class ArcFace(CosineLoss):
    """Cross-entropy of scaled cosines, the true identity's with its angle increased.

    Where the increased angle would pass pi, its cosine would rise again and reward the worst
    embeddings. There (ours) the true identity's score is `cos(theta) - (1 - cos(m))`, which is
    continuous and falls with the angle to its end.
    """

    def with_margin(self, cosine: Tensor, is_true: Tensor) -> Tensor:
        """Return `cos(theta + m)` of the true identity, the others' cosines as they are."""
        cos_m, sin_m = math.cos(self.margin), math.sin(self.margin)
        sine = (1.0 - cosine.square()).clamp(min=SMALLEST_SQUARED_SINE).sqrt()
        within = cosine > -cos_m  # theta + m < pi
        increased = torch.where(within, cosine * cos_m - sine * sin_m, cosine - (1.0 - cos_m))
        return torch.where(is_true, increased, cosine)


def build(section: Loss) -> ArcFace:
    """Return the loss with the section's scale, margin and label smoothing.

    Raises:
        ConfigError: If the margin is no angle.
    """
    if section.margin >= math.pi:
        raise ConfigError(
            "`loss.margin` of `loss.base: arcface` must be an angle below pi. Found "
            f"`margin = {section.margin}`; the paper's is 0.5."
        )
    return ArcFace(
        scale=section.scale, margin=section.margin, label_smoothing=section.label_smoothing
    )
