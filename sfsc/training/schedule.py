"""The learning rate of a step: warm-up, then cosine or steps."""

import math
from collections.abc import Sequence


def learning_rate(
    step: int, total: int, *, peak: float, warmup: float, milestones: Sequence[float] | None = None
) -> float:
    """Return the learning rate of a step.

    It rises linearly over the first `warmup` share of the steps. Then it falls to 0 along half a
    cosine or, if there are milestones, is divided by 10 at each of them.

    Args:
        step: Index of the step, in [0, total).
        total: Steps of the whole training.
        peak: Largest learning rate, greater than 0.
        warmup: Share of the training, in [0, 1).
        milestones: Shares of the training.

    >>> [round(learning_rate(t, 10, peak=1.0, warmup=0.2), 2) for t in (0, 1, 2, 6)]
    [0.5, 1.0, 1.0, 0.5]
    """
    rising = round(warmup * total)
    if step < rising:
        return peak * (step + 1) / rising
    if milestones is not None:
        passed = sum(step >= round(share * total) for share in milestones)
        return peak * 0.1**passed
    done = (step - rising) / max(1, total - rising)
    return peak * 0.5 * (1.0 + math.cos(math.pi * done))
