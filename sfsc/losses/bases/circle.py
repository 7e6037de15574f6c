"""Circle loss with class-level labels (Sun et al., arXiv 2002.10857, eq. 6 to 9).

Each similarity has its own pace: a cosine far from its optimum, 1 + m of the true identity and -m
of the others, weighs more. With one positive per sample eq. 6 is a cross-entropy of

    gamma [1 + m - s_p]_+ (s_p - (1 - m))   for the true identity,
    gamma [s_n + m]_+ (s_n - m)             for each of the others,

the brackets being weights without a gradient (eq. 10).
"""

import torch
from torch import Tensor

from sfsc.losses.base import CosineLoss, CosineSettings


class Settings(CosineSettings):
    """A margin that relaxes both optima: 0.25 in the paper, with scale 256."""


class Circle(CosineLoss):
    """Cross-entropy of scaled cosines, each weighted by its distance from its optimum.

    The margin is the paper's relaxation m: 0 asks for perfect cosines, more asks for less.
    """

    def with_margin(self, cosine: Tensor, is_true: Tensor) -> Tensor:
        """Return each cosine less its margin, times its weight."""
        m, constant = self.margin, cosine.detach()
        weight = torch.where(is_true, 1.0 + m - constant, constant + m).clamp(min=0.0)
        return weight * torch.where(is_true, cosine - (1.0 - m), cosine - m)


def build(settings: Settings) -> Circle:
    """Return the loss with these settings."""
    return Circle(**settings.model_dump(exclude={"name"}))
