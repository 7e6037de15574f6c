"""The finished runs of a study, read from their result files and checked against each other."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sfsc.errors import ResultError

Float64s = NDArray[np.float64]

RUN_KEYS = (
    "dataset", "method", "seed", "widths", "settings", "macs", "epochs", "steps", "wall_seconds",
    "git_revision", "git_clean", "config_digest", "data_digest", "environment",
)  # fmt: skip
TEST_KEYS = (
    "average_precision", "n_query", "n_gallery", "n_skipped_queries", "matrices", "summary",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One training and its tests."""

    folder: Path
    record: dict[str, Any]
    """`run.json`."""
    test: dict[str, Any]
    """`cross_test.json`."""

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return str(self.record["dataset"])

    @property
    def method(self) -> str:
        """Name of the run: a row of `methods`."""
        return str(self.record["method"])

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return int(self.record["seed"])

    @property
    def widths(self) -> tuple[float, ...]:
        """Widths of the sub-models, ascending."""
        return tuple(self.record["widths"])

    def matrix(self, metric: str) -> Float64s:
        """Return a matrix of the cross-tests, (M, M), as fractions; rows: query sub-model."""
        return np.array(self.test["matrices"][metric], dtype=np.float64)

    @property
    def mean_average_precision(self) -> Float64s:
        """The (M, M) matrix of mean average precisions, the definition that the study reports."""
        return self.matrix(f"map_{self.test['average_precision']}")

    def curves(self) -> pd.DataFrame:
        """Return what the training recorded, in long form (`sfsc.training.records`)."""
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
    """The runs of one method on one data set, by seed."""

    dataset: str
    method: str
    runs: tuple[Run, ...]

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
        """Whether the method has several sub-models, and so cross-tests and conflicts."""
        return len(self.widths) > 1

    @property
    def map_percent(self) -> Float64s:
        """Mean average precisions of every seed, percent, (seeds, M, M)."""
        return 100 * np.stack([run.mean_average_precision for run in self.runs])


def load_groups(folders: Sequence[Path]) -> list[Group]:
    """Read finished runs and group them by data set and method.

    Args:
        folders: Folders `results/<study>/<dataset>/<run>/seed<k>`; the order of methods is theirs.

    Returns:
        Groups in order of first appearance, data set by data set; seeds ascending.

    Raises:
        ResultError: If a file is missing or damaged or the runs do not fit each other.
    """
    runs = [load_run(folder) for folder in folders]
    if not runs:
        raise ResultError("A table or figure must have at least one run. Found none.")
    groups: dict[tuple[str, str], list[Run]] = {}
    for dataset in dict.fromkeys(run.dataset for run in runs):
        for run in runs:
            if run.dataset == dataset:
                groups.setdefault((dataset, run.method), []).append(run)
    _check_protocol(runs)
    for members in groups.values():
        _check_group(members)
    return [
        Group(dataset, method, tuple(sorted(members, key=lambda run: run.seed)))
        for (dataset, method), members in groups.items()
    ]


def load_one_dataset(folders: Sequence[Path]) -> list[Group]:
    """Read the finished runs of one data set; see `load_groups`."""
    groups = load_groups(folders)
    datasets = sorted({group.dataset for group in groups})
    if len(datasets) > 1:
        raise ResultError(f"A figure must have runs of one data set. Found {', '.join(datasets)}.")
    return groups


def load_run(folder: Path) -> Run:
    """Read one finished run.

    Args:
        folder: With `run.json` and `cross_test.json`.

    Raises:
        ResultError: If a file is missing, damaged or does not fit the other.
    """
    record = _read(folder / "run.json", RUN_KEYS, mend="Train it again.")
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


def _read(path: Path, keys: Sequence[str], *, mend: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
        missing = [key for key in keys if key not in content]
    except (OSError, ValueError, TypeError) as error:
        raise ResultError(f"{path} must be readable. Found: {_line(error)} {mend}") from error
    if missing:
        raise ResultError(f"{path} must have the key `{missing[0]}`. Found it missing. {mend}")
    return dict(content)


def _check_protocol(runs: Sequence[Run]) -> None:
    """Numbers are comparable only under one definition of average precision."""
    first = runs[0]
    for run in runs:
        if run.test["average_precision"] != first.test["average_precision"]:
            raise ResultError(
                "All runs must be evaluated with one definition of average precision. Found "
                f"`{first.test['average_precision']}` in {first.folder} and "
                f"`{run.test['average_precision']}` in {run.folder}. Evaluate them again."
            )


def _check_group(runs: Sequence[Run]) -> None:
    """Seeds of a method are averaged: one run per seed, all with the same sub-models."""
    first = runs[0]
    for index, run in enumerate(runs):
        if run.widths != first.widths:
            raise ResultError(
                f"All seeds of `{first.method}` on `{first.dataset}` must have the same widths. "
                f"Found {list(first.widths)} in {first.folder} and {list(run.widths)} in "
                f"{run.folder}."
            )
        if run.seed in {other.seed for other in runs[:index]}:
            raise ResultError(
                f"Each seed of `{first.method}` on `{first.dataset}` must be given once. "
                f"Found seed {run.seed} twice, the second time in {run.folder}."
            )


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") + "."
