"""The learning rate of a step: warm-up, then cosine or steps."""

import math

from sfsc.config import Train


def learning_rate(step: int, total: int, section: Train) -> float:
    """Return the learning rate of a step.

    It rises linearly over the first `warmup` share of the steps. Then schedule `cosine` falls to 0
    along half a cosine, and `step` divides by 10 at each milestone.

    Args:
        step: Index of the step, in [0, total).
        total: Steps of the whole training.
        section: The `train` section.
    """
    warmup = round(section.warmup * total)
    if step < warmup:
        return section.learning_rate * (step + 1) / warmup
    if section.schedule == "step":
        passed = sum(step >= round(share * total) for share in section.milestones)
        return section.learning_rate * 0.1**passed
    done = (step - warmup) / max(1, total - warmup)
    return section.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
