"""The claims on training: C5 and C7 of DESIGN.md 1, as comparisons to be judged."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from sfsc.reporting.curves import has_metric, read_metric
from sfsc.reporting.effects import Value, differences, values_by_seed
from sfsc.reporting.measures import self_test
from sfsc.reporting.names import OURS, RIVAL, TWINS, width_name
from sfsc.reporting.runs import Float64s, Group, Results, Run
from sfsc.reporting.verdicts import POINTS, Comparison, Question

CONFLICTS_EXIST = 1.0
"""Percent of the records of pairs, layers and steps."""
IMBALANCE_EXISTS = 0.1
"""Binary logarithm of the largest norm over the smallest."""
MARGIN = -1.0
"""Points of mAP that a sub-model may lose to its twin (non-inferiority)."""


def training_questions(results: Results) -> list[Question]:
    """Return C5 and C7 on a data set."""
    return [_conflicts(results), _priority(results)]


def _conflicts(results: Results) -> Question:
    missing = _missing(results, OURS, RIVAL)
    parts: list[Comparison] = []
    remarks: list[str] = []
    if not missing:
        ours, rival = results.group(OURS), results.group(RIVAL)
        parts = _conflict_parts(ours, rival)
        if _is_ever_opposed(rival):
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
    """Return how often a projection of whole gradients finds something to project."""
    shares = np.mean([whole_conflict_shares(run) for run in group.runs], axis=0)
    return (
        f"As whole vectors {shares[0]:.1f} % of the pairs conflict in BCT-S in the first half of "
        f"the training and {shares[1]:.1f} % in the second: that often a projection of whole "
        "gradients finds something to project."
    )


def _is_ever_opposed(group: Group) -> bool:
    """Whether an update of a method ever went against one of its sub-models."""
    return has_metric(group, "cosine_update") and any(
        opposed_share(run).any() for run in group.runs
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
    """Return how each sub-model's self-test compares with the independent network of its width."""
    return [
        Comparison(
            f"Self-test at width {width_name(width)} minus its independent twin's",
            twin_differences(ours, twins, width),
            POINTS,
            bound=MARGIN,
        )
        for width in ours.widths
        if width in twins.widths
    ]


def twin_differences(ours: Group, twins: Group, width: float) -> Float64s:
    """Return a sub-model's self-test minus that of its independent twin, points, (S, Q)."""
    of_ours, of_twins = (self_test(g.widths.index(width)).of_queries for g in (ours, twins))
    return differences(ours, twins, of_ours, of_twins)


def _missing(results: Results, *rows: str) -> tuple[str, ...]:
    return tuple(f"`{row}`" for row in rows if row not in results.job.compare)


def _level(
    name: str, group: Group, value: Callable[[Run], Float64s], unit: str, bound: float
) -> Comparison:
    levels = np.stack(list(values_by_seed(group, value).values()))
    return Comparison(name, levels, unit, bound, is_paired=False)


def _lower(name: str, ours: Group, rival: Group, value: Value, unit: str) -> Comparison:
    return Comparison(name, differences(rival, ours, value), unit)


def conflict_share(run: Run) -> Float64s:
    """Return the share of the pairs, layers and steps with a negative cosine, percent, (1,)."""
    return _percent(read_metric(run, "cosine_layer")["value"] < 0)


def whole_conflict_shares(run: Run) -> Float64s:
    """Return the share of the pairs and steps with a negative cosine of the whole gradients.

    Percent, (2,): in the first and in the second half of the training.
    """
    records = read_metric(run, "cosine_whole")
    is_first = records["step"] < run.record["steps"] / 2
    halves = [records[is_first]["value"], records[~is_first]["value"]]
    return np.concatenate([_percent(values < 0) for values in halves])


def opposed_share(run: Run) -> Float64s:
    """Return how often the update goes against a sub-model's own gradient, percent, (1,)."""
    return _percent(read_metric(run, "cosine_update")["value"] < 0)


def norm_imbalance(run: Run) -> Float64s:
    """Return the mean over steps of log2(largest / smallest gradient norm), (1,)."""
    norms = by_switch(run, "gradient_norm")
    return np.array([np.log2(norms.max(axis=1) / norms.min(axis=1)).mean()], dtype=np.float64)


def uncertainty_gap(run: Run) -> Float64s:
    """Return the smallest sub-model's uncertainty minus the full one's, first half, (1,)."""
    uncertainty = _first_half(by_switch(run, "uncertainty"), run)
    return np.array([(uncertainty.iloc[:, 0] - uncertainty.iloc[:, -1]).mean()], dtype=np.float64)


def smallest_share(run: Run) -> Float64s:
    """Return the smallest sub-model's share of the sub-models' norms, first half, percent, (1,)."""
    shares = _first_half(norm_shares(run), run)
    return np.array([100 * shares.iloc[:, 0].mean()], dtype=np.float64)


def norm_shares(run: Run) -> pd.DataFrame:
    """Return each sub-model's share of the sum of the sub-models' gradient norms, by step."""
    norms = by_switch(run, "gradient_norm")
    return norms.div(norms.sum(axis=1), axis=0)


def by_switch(run: Run, metric: str) -> pd.DataFrame:
    """Return a metric of the sub-models: a row per step, a column per sub-model."""
    records = read_metric(run, metric)
    return records.pivot_table(index="step", columns="switch", values="value").dropna()


def _first_half(frame: pd.DataFrame, run: Run) -> pd.DataFrame:
    first: pd.DataFrame = frame[frame.index < run.record["steps"] / 2]
    return first


def _percent(is_true: "pd.Series[bool]") -> Float64s:
    return np.array([100 * is_true.mean()], dtype=np.float64)
