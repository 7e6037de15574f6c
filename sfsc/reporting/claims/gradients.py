"""The claims on gradients and priorities: C5 and C7 of DESIGN.md 1, as comparisons."""

from sfsc.reporting.claims.comparisons import Comparison, Question, Scale, compare, level
from sfsc.reporting.dynamics import conflict_share, norm_imbalance, priority_correlation
from sfsc.reporting.effects import TWIN_MARGIN
from sfsc.reporting.names import OURS, RIVAL, TWINS, width_name
from sfsc.reporting.runs import Group, Results
from sfsc.reporting.summaries import self_test

CONFLICTS_EXIST = 1.0
"""Share of negative cosines, percent, above which gradients conflict in direction."""
IMBALANCE_EXISTS = 0.1
"""log2(largest / smallest norm) above which gradients conflict in magnitude."""
SHARE = "percentage points"
IMBALANCE = "log2(largest / smallest)"


def gradient_questions(results: Results) -> list[Question]:
    """Return C5 and C7 on a data set."""
    return [_conflicts(results), _priority(results)]


def _conflicts(results: Results) -> Question:
    """C5: gradients conflict in BCT-S in direction and magnitude, and less so in SFSC."""
    missing = _missing(results, OURS, RIVAL)
    return Question(
        "C5",
        results.dataset,
        "Sub-models' gradients conflict in magnitude and in direction during training, and SFSC "
        "reduces both.",
        () if missing else _conflict_parts(results.group(OURS), results.group(RIVAL)),
        missing,
    )


def _conflict_parts(ours: Group, rival: Group) -> tuple[Comparison, ...]:
    share, imbalance = "Share of negative cosines", "Imbalance of norms"
    shares, norms = Scale(SHARE, margin=1.0), Scale(IMBALANCE, margin=0.1)
    exist = Scale("%", margin=1.0, bound=CONFLICTS_EXIST)
    differ = Scale(IMBALANCE, margin=0.1, bound=IMBALANCE_EXISTS)
    return (
        level(f"{share} in BCT-S", rival, conflict_share, scale=exist),
        compare(f"{share}: BCT-S minus SFSC", rival, ours, conflict_share, scale=shares),
        level(f"{imbalance} in BCT-S", rival, norm_imbalance, scale=differ),
        compare(f"{imbalance}: BCT-S minus SFSC", rival, ours, norm_imbalance, scale=norms),
    )


def _priority(results: Results) -> Question:
    """C7: uncertain sub-models have the larger gradients, and none falls behind its twin."""
    parts: list[Comparison] = []
    if OURS in results.job.compare:
        ours = results.group(OURS)
        name = "Rank correlation of uncertainty and gradient norm in SFSC"
        scale = Scale("(Spearman)", margin=0.1)
        parts.append(level(name, ours, priority_correlation, scale=scale))
        if TWINS in results.job.compare:
            parts += _twin_parts(ours, results.group(TWINS))
    return Question(
        "C7",
        results.dataset,
        "Small sub-models get the higher priority while they are uncertain; no sub-model is "
        "overfitted at another's expense.",
        tuple(parts),
        _missing(results, OURS, TWINS),
    )


def _twin_parts(ours: Group, twins: Group) -> list[Comparison]:
    """Return each sub-model's self-test minus that of the independent network of its width."""
    return [
        compare(
            f"Self-test at width {width_name(width)} minus its independent twin's",
            ours,
            twins,
            self_test(ours.widths.index(width)).of_queries,
            self_test(twins.widths.index(width)).of_queries,
            scale=Scale(bound=TWIN_MARGIN),
        )
        for width in ours.widths
        if width in twins.widths
    ]


def _missing(results: Results, *rows: str) -> tuple[str, ...]:
    return tuple(f"`{row}`" for row in rows if row not in results.job.compare)
