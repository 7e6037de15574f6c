"""What a training recorded of its gradients and uncertainties, as numbers to compare.

C5 and C7 of DESIGN.md 1, and the map of section 7.

Gradients are compared on the common block, the weights that all sub-models own, and per unit of
loss weight (`sfsc.training.records`).
"""

import numpy as np
import pandas as pd

from sfsc.reporting.curves import read_metric
from sfsc.reporting.runs import Float64s, Run

EARLY = 0.25
"""Share of a training that is its beginning."""


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


def conflict_measures(run: Run) -> dict[str, float]:
    """Return how much the sub-models' gradients disagree in a training (DESIGN.md 7).

    All but the last are about the sub-models' own gradients, before aggregation. `<name>_early` is
    a mean over the first quarter of the training, `<name>_late` over the rest:

    * `whole`: share of the pairs of sub-models that conflict as whole vectors, percent. Vectors
      padded with zeros meet where both own weights: `nested` gradients conflict as often.
    * `layer`: the same, parameter tensor by parameter tensor, all with the same weight, percent;
    * `common`: the same on the common block, percent;
    * `cosine`: mean cosine of a pair on the weights that both own.

    Over the whole training:

    * `imbalance`: mean of log2(largest / smallest norm) on the common block;
    * `change`: mean of what the projection would change of the mean of the gradients, percent of
      its norm (`sfsc.aggregation.conflicts.projection_change`);
    * `against`: share of the sub-models whose gradient the update points against, percent.

    Args:
        run: A training of a switchable network.

    Raises:
        ResultError: If the training did not record them.
    """
    measures: dict[str, float] = {}
    for name in ("whole", "layer", "common"):
        measures |= _early_and_late(run, name, 100.0 * _is_negative(run, f"cosine_{name}"))
    measures |= _early_and_late(run, "cosine", _by_step(run, "cosine_nested"))
    return measures | {
        "imbalance": float(norm_imbalance(run)[0]),
        "change": 100.0 * float(_by_step(run, "projection_change").mean()),
        "against": 100.0 * float(_is_negative(run, "cosine_update").mean()),
    }


def _by_step(run: Run, metric: str) -> "pd.Series[float]":
    """Return a metric, indexed by step."""
    values: pd.Series[float] = read_metric(run, metric).set_index("step")["value"]
    return values


def _is_negative(run: Run, metric: str) -> "pd.Series[float]":
    return (_by_step(run, metric) < 0).astype(float)


def _early_and_late(run: Run, name: str, values: "pd.Series[float]") -> dict[str, float]:
    """Return the means before and after the first quarter; NaN where nothing was recorded."""
    is_early = values.index < EARLY * run.record["steps"]
    return {
        f"{name}_early": float(values[is_early].mean()),
        f"{name}_late": float(values[~is_early].mean()),
    }


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
