"""The claims on gradients and priorities: C5 and C7 of DESIGN.md 1, as comparisons."""

import numpy as np

from sfsc.reporting.claims.verdicts import POINTS, Comparison, Question
from sfsc.reporting.dynamics import (
    conflict_share,
    is_ever_opposed,
    norm_imbalance,
    opposed_share,
    smallest_share,
    uncertainty_gap,
    whole_conflict_shares,
)
from sfsc.reporting.effects import TWIN_MARGIN, Value, differences, twin_differences
from sfsc.reporting.names import OURS, RIVAL, TWINS, width_name
from sfsc.reporting.runs import Group, Results

CONFLICTS_EXIST = 1.0
"""Share of negative cosines, percent, above which gradients conflict in direction."""
IMBALANCE_EXISTS = 0.1
"""log2(largest / smallest norm) above which gradients conflict in magnitude."""


def gradient_questions(results: Results) -> list[Question]:
    """Return C5 and C7 on a data set."""
    return [_conflicts(results), _priority(results)]


def _conflicts(results: Results) -> Question:
    missing = _missing(results, OURS, RIVAL)
    parts: list[Comparison] = []
    remarks: list[str] = []
    if not missing:
        ours, rival = results.group(OURS), results.group(RIVAL)
        parts = _conflict_parts(ours, rival)
        if is_ever_opposed(rival):
            name = "Sub-models that the update goes against: BCT-S minus SFSC"
            parts.append(_lower(name, ours, rival, opposed_share, "percentage points"))
        else:
            remarks.append("No update of BCT-S goes against a sub-model: there is none to reduce.")
        remarks.append(_on_whole_vectors(rival))
    return Question(
        "C5",
        results.dataset,
        "Sub-models' gradients conflict in magnitude and in direction during training, and SFSC "
        "reduces both.",
        tuple(parts),
        missing,
        remark=" ".join(remarks),
    )


def _conflict_parts(ours: Group, rival: Group) -> list[Comparison]:
    share, unit = "Conflicting pairs, layer by layer", "log2(largest / smallest)"
    imbalance = "Imbalance of norms"
    return [
        _level(f"{share}, in BCT-S", rival, conflict_share, "%", CONFLICTS_EXIST),
        _lower(f"{share}: BCT-S minus SFSC", ours, rival, conflict_share, "percentage points"),
        _level(f"{imbalance} in BCT-S", rival, norm_imbalance, unit, IMBALANCE_EXISTS),
        _lower(f"{imbalance}: BCT-S minus SFSC", ours, rival, norm_imbalance, unit),
    ]


def _on_whole_vectors(group: Group) -> str:
    """Return how often whole gradients conflict, in words."""
    shares = np.mean([whole_conflict_shares(run) for run in group.runs], axis=0)
    return (
        f"As whole vectors {shares[0]:.1f} % of the pairs conflict in BCT-S in the first half of "
        f"the training and {shares[1]:.1f} % in the second: that often a projection of whole "
        "gradients finds something to project."
    )


def _priority(results: Results) -> Question:
    missing = _missing(results, OURS, RIVAL, TWINS)
    parts: list[Comparison] = []
    if OURS in results.job.compare:
        ours = results.group(OURS)
        name = "Uncertainty of the smallest sub-model minus that of the full one, first half"
        parts.append(_level(name, ours, uncertainty_gap, "in u", 0.0))
        if RIVAL in results.job.compare:
            name = "Smallest sub-model's share of the gradient norms, first half: SFSC minus BCT-S"
            gap = differences(ours, results.group(RIVAL), smallest_share)
            parts.append(Comparison(name, gap, "percentage points"))
        if TWINS in results.job.compare:
            parts += _twin_parts(ours, results.group(TWINS))
    return Question(
        "C7",
        results.dataset,
        "Small sub-models get the higher priority while they are uncertain; no sub-model is "
        "overfitted at another's expense.",
        tuple(parts),
        missing,
    )


def _twin_parts(ours: Group, twins: Group) -> list[Comparison]:
    """Return each sub-model's self-test minus that of the independent network of its width."""
    return [
        Comparison(
            f"Self-test at width {width_name(width)} minus its independent twin's",
            twin_differences(ours, twins, width),
            POINTS,
            bound=TWIN_MARGIN,
        )
        for width in ours.widths
        if width in twins.widths
    ]


def _missing(results: Results, *rows: str) -> tuple[str, ...]:
    return tuple(f"`{row}`" for row in rows if row not in results.job.compare)


def _level(name: str, group: Group, value: Value, unit: str, bound: float) -> Comparison:
    levels = np.stack([value(run) for run in group.runs])
    return Comparison(name, levels, unit, bound, is_paired=False)


def _lower(name: str, ours: Group, rival: Group, value: Value, unit: str) -> Comparison:
    return Comparison(name, differences(rival, ours, value), unit)
