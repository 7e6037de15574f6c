"""The finished runs of a study, read from their result files and checked against each other."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from sfsc.errors import ConfigError, ResultError
from sfsc.settings.jobs import StudyJob, TrainJob
from sfsc.settings.problems import validate

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
    """Content of `run.json`."""
    test: dict[str, Any]
    """Content of `cross_test.json`."""

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
        """Settings of the training, "section.key" to value (`settings_of`)."""
        return settings_of(self.record, self.folder)

    @property
    def reranking(self) -> str:
        """The re-ranking of its tests in the paper's symbols; "none" if there is none."""
        settings = self.test["reranking"]
        if settings is None:
            return "none"
        return f"k1 {settings['k1']}, k2 {settings['k2']}, lambda {settings['original_weight']:g}"

    def matrix(self, metric: str) -> Float64s:
        """Return a matrix of the cross-tests as fractions, (M, M); rows: query sub-model.

        Args:
            metric: A key of `matrices`; `map` is the definition that the study reports.
        """
        return np.array(self.test["matrices"][self._key(metric)], dtype=np.float64)

    def queries(self, metric: str) -> Float64s:
        """Return a metric of each valid query, whose mean is the matrix, (M, M, Q)."""
        path = self.folder / "query_metrics.safetensors"
        with _reading(path, "hold the metrics of each query", mend="Evaluate it again."):
            values = self._query_metrics[self._key(metric)].astype(np.float64)
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
        path = self.folder / "query_metrics.safetensors"
        with _reading(path, "hold the identity of each query", mend="Evaluate it again."):
            return self._query_metrics["identity"].astype(np.int64)

    @cached_property
    def _query_metrics(self) -> dict[str, NDArray[np.float32]]:
        return dict(load_file(self.folder / "query_metrics.safetensors"))

    def _key(self, metric: str) -> str:
        return f"map_{self.test['average_precision']}" if metric == "map" else metric

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Everything that the training recorded, in long form (`sfsc.training.records`)."""
        path = self.folder / "training.parquet"
        with _reading(path, "be the record of a finished training", mend="Train it again."):
            return pd.read_parquet(path)


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
        """Mean average precisions of every seed, percent, (S, M, M) for S seeds."""
        return 100 * np.stack([run.matrix("map") for run in self.runs])

    @property
    def self_tests(self) -> Float64s:
        """Mean average precisions of the self-tests, percent, (S, M)."""
        return self.map_percent.diagonal(axis1=1, axis2=2)

    @property
    def average_map(self) -> Float64s:
        """Mean of `map_percent` over all pairs of sub-models, percent, (S,)."""
        means: Float64s = self.map_percent.mean(axis=(1, 2))
        return means


@dataclass(frozen=True)
class Results:
    """The runs of a study on one data set, each read when it is first asked for."""

    job: StudyJob
    """Which runs the study has."""
    folder: Path
    """`results/<study>`."""
    dataset: str
    data_dir: Path | None = None
    """The prepared set, for figures that show images."""
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
            folder = self.folder / self.dataset / run
            seeds = sorted(self.job.runs()[run])
            group = Group(tuple(load_run(folder / f"seed{seed}") for seed in seeds))
            _check_widths(group)
            first = next(iter(self._groups.values()), group).runs[0]
            for one in group.runs:
                _check_protocol(first, one)
            self._groups[run] = group
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
        folder: The folder of `run.json` and `cross_test.json`.

    Raises:
        ResultError: If a file is missing or damaged, or they do not fit each other.
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
    """Return the settings of a training, as dotted key to value.

    A part's name is the value of the part's own key: `loss.base` is `softmax`.

    Args:
        record: Content of `run.json`.
        folder: Its folder, for the message.

    Raises:
        ResultError: If they are not those of a training of this version.
    """
    try:
        validate(TrainJob, record["settings"], source=f"{folder / 'run.json'}: settings")
    except ConfigError as error:
        raise ResultError(f"{error}\nTrain it again.") from error
    sections = ("network", "loss", "aggregation", "train", "augmentation")
    return dict(_flatten({section: record["settings"][section] for section in sections}))


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            if "name" in value:
                yield prefix + key, value["name"]
            inner = {k: v for k, v in value.items() if k != "name"}
            yield from _flatten(inner, f"{prefix}{key}.")
        elif value is not None:
            yield prefix + key, value


def describe_reranking(run: Run) -> str:
    """Return the sentence that must stand beside re-ranked numbers, empty without re-ranking."""
    if run.reranking == "none":
        return ""
    return f"All tests re-ranked by k-reciprocal neighbours ({run.reranking})."


def _read(path: Path, keys: Sequence[str], *, mend: str) -> dict[str, Any]:
    with _reading(path, "be readable", mend=mend):
        content = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in keys if key not in content]
    if missing:
        raise ResultError(f"{path} must have the key `{missing[0]}`. Found it missing. {mend}")
    return dict(content)


@contextmanager
def _reading(path: Path, expected: str, *, mend: str) -> Iterator[None]:
    """Make a `ResultError` of what goes wrong while a file is read.

    Args:
        path: The file.
        expected: What it must be or hold.
        mend: The sentence on how to mend it.
    """
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        found = " ".join(str(error).split()).rstrip(".")
        raise ResultError(f"{path} must {expected}. Found: {found}. {mend}") from error


def _check_protocol(first: Run, run: Run) -> None:
    """Check that two runs have comparable numbers: one average precision, one re-ranking."""
    definitions = [f"`{one.test['average_precision']}`" for one in (first, run)]
    rankings = [one.reranking for one in (first, run)]
    for name, found in (("definition of average precision", definitions), ("re-ranking", rankings)):
        if found[0] != found[1]:
            raise ResultError(
                f"All runs must be evaluated with one {name}. Found {found[0]} in {first.folder} "
                f"and {found[1]} in {run.folder}. Evaluate them again."
            )


def _check_widths(group: Group) -> None:
    """Check that all seeds, which are averaged, have the same sub-models."""
    for run in group.runs:
        if run.widths != group.widths:
            raise ResultError(
                f"All seeds of `{group.method}` on `{group.dataset}` must have the same widths. "
                f"Found {list(group.widths)} in {group.runs[0].folder} and {list(run.widths)} in "
                f"{run.folder}."
            )
