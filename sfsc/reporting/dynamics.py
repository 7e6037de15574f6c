"""What a training recorded of its gradients and uncertainties, as numbers to compare."""

import numpy as np
import pandas as pd

from sfsc.reporting.curves import has_metric, read_metric
from sfsc.reporting.runs import Float64s, Group, Run


def conflict_share(run: Run) -> Float64s:
    """Return the share of negative cosines over pairs, layers and steps, percent, (1,)."""
    return _percent(read_metric(run, "cosine_layer")["value"] < 0)


def whole_conflict_shares(run: Run) -> Float64s:
    """Return the share of negative cosines of whole gradients over pairs and steps.

    Percent, (2,): in the first and in the second half of the training.
    """
    records = read_metric(run, "cosine_whole")
    is_first = records["step"] < run.record["steps"] / 2
    halves = [records[is_first]["value"], records[~is_first]["value"]]
    return np.concatenate([_percent(values < 0) for values in halves])


def opposed_share(run: Run) -> Float64s:
    """Return how often the update opposes a sub-model's own gradient, percent, (1,)."""
    return _percent(read_metric(run, "cosine_update")["value"] < 0)


def is_ever_opposed(group: Group) -> bool:
    """Whether an update of a method ever opposed one of its sub-models."""
    return has_metric(group, "cosine_update") and any(
        opposed_share(run).any() for run in group.runs
    )


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
