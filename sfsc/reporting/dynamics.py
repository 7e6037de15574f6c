"""What a training recorded of its gradients and uncertainties, as numbers to compare (C5, C7).

Gradients are compared on the common block, the weights that all sub-models own, and per unit of
loss weight. `common_cosines` and `unit_norms` alone say which records those are.
"""

import numpy as np
import pandas as pd

from sfsc.reporting.curves import read_metric
from sfsc.reporting.runs import Float64s, Run


def common_cosines(run: Run) -> "pd.Series[float]":
    """Return the cosines of the sub-models' gradients, one per pair and recorded step.

    Until the trainer records the common block itself, of each pair on the weights that both own.
    """
    cosines: pd.Series[float] = read_metric(run, "cosine_nested")["value"]
    return cosines


def unit_norms(run: Run) -> pd.DataFrame:
    """Return the gradient norms per unit of loss weight: a row per step, a column per sub-model.

    Until the trainer records the common block itself, of each sub-model's whole gradient.
    """
    return by_switch(run, "gradient_norm").div(loss_weights(run))


def loss_weights(run: Run) -> Float64s:
    """Return the sum of the weights of the losses that each sub-model minimises, (M,).

    A sub-model has a term of the method if its loss was ever recorded as other than 0.
    """
    loss = run.record["settings"]["loss"]
    weights = np.full(len(run.widths), loss["submodels"]["base_weight"], dtype=np.float64)
    weights[-1] = 1.0
    for name, term in loss["terms"].items():
        weights += term["weight"] * (by_switch(run, f"{name}_loss") != 0).any().to_numpy()
    return weights


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
