"""Conflict-averse gradient descent (Liu et al., arXiv 2110.14048, algorithm 1), by TorchJD.

The update that maximises the worst row's improvement within a ball around the rows' mean, times the
number of rows. It is zero where a convex combination of the rows is.
"""

from torchjd.aggregation import CAGradWeighting

from sfsc.aggregation.gramian_weighted import GramianSettings, GramianWeighted

RADIUS = 0.5
"""c: radius of the ball in norms of the mean, in [0, 1) for the mean loss to converge; 0 gives the
mean. Ours."""


class Settings(GramianSettings):
    """Conflict-averse gradient descent."""


def build(settings: Settings) -> GramianWeighted:
    """Return conflict-averse gradient descent with these settings."""
    return GramianWeighted(CAGradWeighting(c=RADIUS), settings.granularity, settings.reduction)
