"""Curves over training: smoothed, mean over seeds, with the range of the seeds as a band."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sfsc.errors import ResultError
from sfsc.reporting.runs import Float64s, Group, Run

POINTS = 200
"""Largest number of points of a curve."""


@dataclass(frozen=True)
class Curve:
    """One quantity over training."""

    epoch: Float64s
    """(T,), epochs done."""
    mean: Float64s
    """(T,), mean over seeds."""
    low: Float64s
    """(T,), smallest seed."""
    high: Float64s
    """(T,), largest seed."""

    def draw(self, axes: Axes, colour: str, *, opacity: float = 0.18) -> None:
        """Draw the mean as a line and the range of the seeds as a band."""
        axes.fill_between(self.epoch, self.low, self.high, color=colour, alpha=opacity, lw=0)
        axes.plot(self.epoch, self.mean, color=colour, solid_capstyle="round")


def read_metric(run: Run, metric: str) -> pd.DataFrame:
    """Return the finite records of one metric of a training.

    Args:
        run: A finished run.
        metric: A value of the column `metric` of `training.parquet`.

    Raises:
        ResultError: If there is none.
    """
    curves = run.curves
    records: pd.DataFrame = curves[(curves["metric"] == metric) & np.isfinite(curves["value"])]
    if records.empty:
        raise ResultError(
            f"{run.folder / 'training.parquet'} must hold values of `{metric}`. Found none. "
            "Train it again."
        )
    return records


def has_metric(group: Group, metric: str) -> bool:
    """Whether all trainings of a method recorded a metric; separate networks have no cosines."""
    return all((run.curves["metric"] == metric).any() for run in group.runs)


def curves_by_switch(group: Group, read: Callable[[Run], pd.DataFrame]) -> list[Curve]:
    """Return one curve for each sub-model of a method.

    Args:
        group: The runs of the method.
        read: Returns a run's values: a row per step, a column per switch.
    """
    frames = [(read(run), run) for run in group.runs]
    return [
        join_seeds([smooth(frame[switch], run) for frame, run in frames])
        for switch in range(len(group.widths))
    ]


def fit_epochs(panels: Iterable[Axes], groups: Sequence[Group]) -> None:
    """Set the horizontal axes to the epochs of the training."""
    epochs = max(group.runs[0].record["epochs"] for group in groups)
    for panel in panels:
        panel.set_xlim(0, epochs)
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def smooth(series: "pd.Series[float]", run: Run, *, window: float = 0.05) -> "pd.Series[float]":
    """Return a series by step as its centred moving mean by epochs done.

    Args:
        series: Indexed by step.
        run: The run that recorded it.
        window: Share of the training that each point averages, 0 to 1.
    """
    size = max(1, round(window * len(series)))
    smoothed = series.sort_index().rolling(size, center=True, min_periods=1).mean()
    smoothed.index = smoothed.index * (run.record["epochs"] / run.record["steps"])
    return smoothed


def join_seeds(seeds: Sequence["pd.Series[float]"]) -> Curve:
    """Return mean and range over seeds at the steps that all of them recorded, thinned out."""
    frame = pd.concat(seeds, axis=1, join="inner")
    frame = frame.iloc[np.unique(np.linspace(0, len(frame) - 1, POINTS).astype(int))]
    values = frame.to_numpy(dtype=np.float64)
    return Curve(
        frame.index.to_numpy(dtype=np.float64), values.mean(1), values.min(1), values.max(1)
    )
