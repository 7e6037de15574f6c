"""CosFace: a margin on the cosine (Wang et al., arXiv 1801.09414, eq. 4)."""

import torch
from torch import Tensor

from sfsc.losses.base import CosineLoss, CosineSettings


class Settings(CosineSettings):
    """A margin on the cosine."""


class CosFace(CosineLoss):
    """Cross-entropy of scaled cosines, the true identity's less the margin."""

    def with_margin(self, cosine: Tensor, is_true: Tensor) -> Tensor:
        """Return `cos(theta) - m` of the true identity, the others' cosines as they are."""
        return torch.where(is_true, cosine - self.margin, cosine)


def build(settings: Settings) -> CosFace:
    """Return the loss with these settings."""
    return CosFace(**settings.model_dump(exclude={"name"}))
