"""What a training recorded of its gradients and uncertainties, as numbers to compare (C5, C7).

Gradients are compared on the common block, the weights that all sub-models own, and per unit of
loss weight (`sfsc.training.records`).
"""

import numpy as np
import pandas as pd

from sfsc.reporting.curves import read_metric
from sfsc.reporting.runs import Float64s, Run


def common_cosines(run: Run) -> "pd.Series[float]":
    """Return the cosines on the common block, one per pair of sub-models and recorded step."""
    cosines: pd.Series[float] = read_metric(run, "cosine_common")["value"]
    return cosines


def unit_norms(run: Run) -> pd.DataFrame:
    """Return the norms on the common block per unit of loss weight: steps by sub-models."""
    return by_switch(run, "common_norm")


def conflict_share(run: Run) -> Float64s:
    """Return the share of negative cosines over pairs and steps, percent, (1,)."""
    return np.array([100 * (common_cosines(run) < 0).mean()], dtype=np.float64)


def norm_imbalance(run: Run) -> Float64s:
    """Return the mean over steps of log2(largest / smallest norm), (1,)."""
    norms = unit_norms(run)
    return np.array([np.log2(norms.max(axis=1) / norms.min(axis=1)).mean()], dtype=np.float64)


def priority_correlation(run: Run) -> Float64s:
    """Return Spearman's correlation of uncertainty and norm, mean over steps, in [-1, 1], (1,).

    Within each step, over the sub-models: uncertainties and norms both fall in any training, so
    that a correlation over steps would show time and not priority. A step in which all sub-models
    are equal counts as 0.
    """
    uncertainty = by_switch(run, "uncertainty").rank(axis=1)
    norms = unit_norms(run).rank(axis=1)
    correlations = uncertainty.corrwith(norms, axis=1)
    return np.array([correlations.fillna(0.0).mean()], dtype=np.float64)


def norm_shares(run: Run) -> pd.DataFrame:
    """Return each sub-model's share of the sum of the sub-models' gradient norms, by step."""
    norms = by_switch(run, "gradient_norm")
    return norms.div(norms.sum(axis=1), axis=0)


def by_switch(run: Run, metric: str) -> pd.DataFrame:
    """Return a metric of the sub-models: a row per step, a column per sub-model."""
    records = read_metric(run, metric)
    return records.pivot_table(index="step", columns="switch", values="value").dropna()
