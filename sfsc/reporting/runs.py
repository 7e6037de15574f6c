"""The finished runs of a study, read from their result files and checked against each other."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from sfsc.config import StudyJob, TrainJob, validate
from sfsc.errors import ConfigError, ResultError
from sfsc.idle_settings import idle_settings

Float64s = NDArray[np.float64]

RUN_KEYS = (
    "dataset", "method", "seed", "widths", "network", "settings", "macs", "epochs", "steps",
    "wall_seconds", "git_revision", "git_clean", "config_digest", "data_digest", "environment",
    "validation",
)  # fmt: skip
TEST_KEYS = (
    "average_precision", "reranking", "n_query", "n_gallery", "n_skipped_queries", "matrices",
    "summary",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One training and its tests, in `results/<study>/<dataset>/<run>/seed<k>`."""

    folder: Path
    record: dict[str, Any]
    """`run.json`."""
    test: dict[str, Any]
    """`cross_test.json`."""

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.folder.parent.parent.name

    @property
    def method(self) -> str:
        """Name of the run: a row of `methods`, or a condition of a variation."""
        return self.folder.parent.name

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return int(self.record["seed"])

    @property
    def widths(self) -> tuple[float, ...]:
        """Widths of the sub-models, ascending."""
        return tuple(self.record["widths"])

    @property
    def settings(self) -> dict[str, Any]:
        """See `settings_of`."""
        return settings_of(self.record, self.folder)

    @property
    def reranking(self) -> str:
        """The re-ranking of its tests by the paper's names, "none" if there is none."""
        settings = self.test["reranking"]
        if settings is None:
            return "none"
        return f"k1 {settings['k1']}, k2 {settings['k2']}, lambda {settings['original_weight']:g}"

    def matrix(self, metric: str) -> Float64s:
        """Return a matrix of the cross-tests, (M, M), as fractions; rows: query sub-model.

        Args:
            metric: A key of `matrices`; `map` is the definition that the study reports.
        """
        return np.array(self.test["matrices"][self._key(metric)], dtype=np.float64)

    def queries(self, metric: str) -> Float64s:
        """Return what a matrix is the mean of: each valid query in each cell, (M, M, Q)."""
        path = self.folder / "query_metrics.safetensors"
        try:
            values = self._query_metrics[self._key(metric)].astype(np.float64)
        except (OSError, KeyError, SafetensorError) as error:
            raise ResultError(
                f"{path} must hold the metrics of each query. Found: {_line(error)} "
                "Evaluate it again."
            ) from error
        n_widths, n_valid = len(self.widths), self.test["n_query"] - self.test["n_skipped_queries"]
        if values.shape != (n_widths, n_widths, n_valid):
            raise ResultError(
                f"{path} must have the shape {(n_widths, n_widths, n_valid)}: sub-models of "
                "run.json, valid queries of cross_test.json. Found "
                f"{values.shape}. Evaluate it again."
            )
        return values

    @property
    def query_identities(self) -> NDArray[np.int64]:
        """Identity of each valid query, (Q,)."""
        try:
            return self._query_metrics["identity"].astype(np.int64)
        except (OSError, KeyError, SafetensorError) as error:
            raise ResultError(
                f"{self.folder / 'query_metrics.safetensors'} must hold each query's identity. "
                f"Found: {_line(error)} Evaluate it again."
            ) from error

    @cached_property
    def _query_metrics(self) -> dict[str, NDArray[np.float32]]:
        return dict(load_file(self.folder / "query_metrics.safetensors"))

    def _key(self, metric: str) -> str:
        return f"map_{self.test['average_precision']}" if metric == "map" else metric

    @cached_property
    def curves(self) -> pd.DataFrame:
        """What the training recorded, in long form (`sfsc.training.records`)."""
        path = self.folder / "training.parquet"
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise ResultError(
                f"{path} must be the record of a finished training. Found: {_line(error)} "
                "Train it again."
            ) from error


@dataclass(frozen=True)
class Group:
    """The runs of one name on one data set, by seed."""

    runs: tuple[Run, ...]

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.runs[0].dataset

    @property
    def method(self) -> str:
        """Name of the runs: a row of `methods`, or a condition of a variation."""
        return self.runs[0].method

    @property
    def widths(self) -> tuple[float, ...]:
        """Widths of the sub-models, ascending: the same for all seeds."""
        return self.runs[0].widths

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds, ascending."""
        return tuple(run.seed for run in self.runs)

    @property
    def is_switchable(self) -> bool:
        """Whether the method has several sub-models, and so cross-tests."""
        return len(self.widths) > 1

    @property
    def map_percent(self) -> Float64s:
        """Mean average precisions of every seed, percent, (seeds, M, M)."""
        return 100 * np.stack([run.matrix("map") for run in self.runs])


@dataclass(frozen=True)
class Results:
    """The runs of a study on one data set, each read when it is first asked for."""

    job: StudyJob
    """Which runs the study has."""
    folder: Path
    """`results/<study>`."""
    dataset: str
    data_dir: Path | None = None
    """Its prepared set, for what shows images."""
    _groups: dict[str, Group] = field(default_factory=dict, repr=False)

    def __contains__(self, run: str) -> bool:
        """Whether the study has a run of this name."""
        return run in self.job.runs()

    def group(self, run: str) -> Group:
        """Return the runs of one name, seeds ascending.

        Args:
            run: One of `job.runs()`.

        Raises:
            ResultError: If a file is missing or damaged or the runs do not fit each other.
        """
        if run not in self._groups:
            seeds = sorted(self.job.runs()[run])
            folder = self.folder / self.dataset / run
            runs = tuple(load_run(folder / f"seed{seed}") for seed in seeds)
            _check_widths(runs)
            first = next(iter(self._groups.values()), Group(runs)).runs[0]
            _check_protocol([first, *runs])
            self._groups[run] = Group(runs)
        return self._groups[run]

    def compared(self) -> list[Group]:
        """Return the rows of `compare`, in their order."""
        return [self.group(run) for run in self.job.compare]

    def compared_and(self, ablation: str) -> list[Group]:
        """Return the rows of `compare` and the further runs of an ablation, if the study has it."""
        conditions = self.job.ablation.get(ablation, ())
        runs = dict.fromkeys([*self.job.compare, *(condition.run for condition in conditions)])
        return [self.group(run) for run in runs]


def load_results(job: StudyJob, folder: Path) -> list[Results]:
    """Return the results of each data set of a study.

    Args:
        job: Which data sets and runs the study has.
        folder: `results/<study>`.
    """
    return [Results(job, folder, dataset) for dataset in job.datasets]


def load_run(folder: Path) -> Run:
    """Read one finished run.

    Args:
        folder: With `run.json` and `cross_test.json`.

    Raises:
        ResultError: If a file is missing, damaged or does not fit the other.
    """
    record = read_record(folder)
    test = _read(folder / "cross_test.json", TEST_KEYS, mend="Evaluate it again.")
    n_widths = len(record["widths"])
    for name, matrix in test["matrices"].items():
        shape = np.shape(matrix)
        if shape != (n_widths, n_widths):
            raise ResultError(
                f"{folder / 'cross_test.json'} must hold {n_widths} x {n_widths} matrices, one row "
                f"for each width of run.json. Found `{name}` of shape {shape}. Evaluate it again."
            )
    return Run(folder, record, test)


def read_record(folder: Path) -> dict[str, Any]:
    """Read the `run.json` of a folder.

    Raises:
        ResultError: If it is missing or damaged.
    """
    return _read(folder / "run.json", RUN_KEYS, mend="Train it again.")


def settings_of(record: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return what a training resolved from `params.yaml` and read, as "section.key" to value.

    Args:
        record: Content of `run.json`.
        folder: Where it is, for the message.

    Raises:
        ResultError: If they are not those of a training of this version.
    """
    try:
        job = validate(TrainJob, record["settings"], source=f"{folder / 'run.json'}: settings")
    except ConfigError as error:
        raise ResultError(f"{error}\nTrain it again.") from error
    idle = idle_settings(job, is_alone=record["network"].get("kind") == "each")
    return {
        f"{section}.{key}": value
        for section in ("network", "loss", "aggregation", "train", "augmentation")
        for key, value in record["settings"][section].items()
        if key not in idle.get(section, ())
    }


def _read(path: Path, keys: Sequence[str], *, mend: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
        missing = [key for key in keys if key not in content]
    except (OSError, ValueError, TypeError) as error:
        raise ResultError(f"{path} must be readable. Found: {_line(error)} {mend}") from error
    if missing:
        raise ResultError(f"{path} must have the key `{missing[0]}`. Found it missing. {mend}")
    return dict(content)


def describe_reranking(run: Run) -> str:
    """Return the sentence that all numbers of re-ranked tests need, empty without re-ranking."""
    if run.reranking == "none":
        return ""
    return f"All tests re-ranked by k-reciprocal neighbours ({run.reranking})."


def _check_protocol(runs: Sequence[Run]) -> None:
    """Numbers are comparable only under one definition of average precision and one ranking."""
    first = runs[0]
    for run in runs:
        if run.test["average_precision"] != first.test["average_precision"]:
            raise ResultError(
                "All runs must be evaluated with one definition of average precision. Found "
                f"`{first.test['average_precision']}` in {first.folder} and "
                f"`{run.test['average_precision']}` in {run.folder}. Evaluate them again."
            )
        if run.reranking != first.reranking:
            raise ResultError(
                "All runs must be evaluated with one re-ranking. Found "
                f"{first.reranking} in {first.folder} and {run.reranking} in {run.folder}. "
                "Evaluate them again."
            )


def _check_widths(runs: Sequence[Run]) -> None:
    """Seeds of a method are averaged: all have the same sub-models."""
    first = runs[0]
    for run in runs:
        if run.widths != first.widths:
            raise ResultError(
                f"All seeds of `{first.method}` on `{first.dataset}` must have the same widths. "
                f"Found {list(first.widths)} in {first.folder} and {list(run.widths)} in "
                f"{run.folder}."
            )


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") + "."
