"""What MLflow shows of a finished training: tags, parameters and metrics from its files."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from mlflow.entities import Dataset, DatasetInput, Metric

from sfsc.deploy.space import has_one_space
from sfsc.errors import ResultError
from sfsc.provenance import digest_of
from sfsc.settings.jobs import StudyJob, load_slice

CURVE_POINTS = 100
"""Points that a mirrored curve has at most; the Parquet artifact has all."""
LIVE = "sfsc.live"
"""Tag of the run of a training in progress: the identity of its record stream."""
FILES = ("run.json", "cross_test.json", "training.parquet", "model.safetensors")
"""Files in the folder of a finished training."""
SYSTEM = {
    "s": "seconds", "max_rss": "max_rss_mb", "cpu_time": "cpu_seconds",
    "mean_load": "mean_load_percent", "io_in": "read_mb", "io_out": "written_mb",
}  # fmt: skip
"""Metric by column of Snakemake's benchmark files."""


@dataclass(frozen=True)
class FinishedTraining:
    """The files of a finished training: `results/<study>/<dataset>/<run>/seed<k>`."""

    folder: Path

    @property
    def key(self) -> str:
        """The identity of the training: `<study>/<dataset>/<run>/seed<k>`."""
        return "/".join(self.folder.parts[-4:])

    @property
    def group(self) -> str:
        """What all seeds have in common: `<study>/<dataset>/<run>`."""
        return "/".join(self.folder.parts[-4:-1])

    @property
    def name(self) -> str:
        """The name to show: `<dataset>/<run>/seed<k>`."""
        return "/".join(self.folder.parts[-3:])

    @property
    def dataset(self) -> str:
        """The name of the data set."""
        return self.folder.parts[-3]

    @property
    def model_name(self) -> str:
        """The name of the registered model that has its sub-models, if it is of a row."""
        return "sfsc." + ".".join(self.folder.parts[-4:-1])

    @property
    def is_row(self) -> bool:
        """Whether it trains a row of `methods` unchanged, not a condition of a variation."""
        return "@" not in self.folder.parent.name

    @property
    def has_one_space(self) -> bool:
        """Whether embeddings of different sub-models can be compared."""
        return has_one_space(self.run)

    @property
    def stage(self) -> str:
        """The stage that made it: `train`, or `assemble` for one network per width."""
        return "assemble" if (self.folder / "config" / "assemble.json").exists() else "train"

    @cached_property
    def sha(self) -> str:
        """Digest of all its files."""
        return digest_of_all([self.folder / name for name in FILES])

    @cached_property
    def run(self) -> dict[str, Any]:
        """Content of `run.json`."""
        return _read_json(self.folder / "run.json")

    @cached_property
    def cross_test(self) -> dict[str, Any]:
        """Content of `cross_test.json`."""
        return _read_json(self.folder / "cross_test.json")

    @property
    def matrix(self) -> list[list[float]]:
        """Mean average precisions as the study reports them, (M, M), fractions."""
        name = f"map_{self.cross_test['average_precision']}"
        return cast("list[list[float]]", self.cross_test["matrices"][name])

    @property
    def summary(self) -> dict[str, float]:
        """Summary numbers of the tests and the mean of each matrix."""
        values = {k: v for k, v in self.cross_test["summary"].items() if v is not None}
        matrices = self.cross_test["matrices"].items()
        return values | {f"mean_{name}": float(np.mean(matrix)) for name, matrix in matrices}

    def check(self) -> None:
        """Refuse a training with a missing, unreadable or outdated file.

        Raises:
            ResultError: With the path of the file.
        """
        for name in FILES:
            if not (self.folder / name).is_file():
                raise ResultError(
                    f"A finished training must have `{name}`. Found none in {self.folder}."
                )
        _ = self.cross_test
        if "image_size" not in self.run:
            raise ResultError(
                f"{self.folder / 'run.json'} must have the `image_size` of the training. Found "
                "none: another version wrote it. Train it again."
            )

    def clock(self, step: float) -> int:
        """Return when a step was done, ms since the epoch, if all steps took equally long."""
        end = datetime.fromisoformat(self.run["finished"]).timestamp()
        left = 1.0 - step / max(self.run["steps"], 1)
        return int(1000 * (end - left * self.run["wall_seconds"]))


class _MirrorJob(StudyJob):
    """What the workflow records for the mirror."""

    store: str  # digest of its address


def find_trainings(study_dir: Path) -> list[FinishedTraining]:
    """Return the finished trainings of a study, those with a `run.json`, ordered by path.

    Results of seeds and runs that the study no longer names are none of its trainings. The workflow
    records in `config/track.json` what it names; without that file, all are.
    """
    found = [FinishedTraining(path.parent) for path in sorted(study_dir.glob("*/*/seed*/run.json"))]
    record = study_dir / "config" / "track.json"
    if not record.is_file():
        return found
    study = load_slice(_MirrorJob, record)
    names = {
        f"{dataset}/{run}/seed{seed}"
        for dataset in study.datasets
        for run, seeds in study.runs().items()
        for seed in seeds
    }
    return [training for training in found if training.name in names]


def tags(training: FinishedTraining) -> dict[str, str]:
    """Return the tags of a run: what it is found by and where its numbers come from."""
    run, reranking = training.run, training.cross_test.get("reranking")
    return {
        **tags_of_group(training),
        "seed": training.folder.name.removeprefix("seed"),
        "sfsc.key": training.key,
        **{key: str(run[key]) for key in ("config_digest", "code_digest", "data_digest")},
        **{f"environment.{key}": str(value) for key, value in run["environment"].items()},
        "git_clean": str(run["git_clean"]),
        "mlflow.source.name": f"sfsc {training.stage}",
        "mlflow.source.git.commit": run["git_revision"],
        **({"reranking": json.dumps(reranking)} if reranking else {}),
    }


def tags_of_group(training: FinishedTraining) -> dict[str, str]:
    """Return the tags that all seeds of a run have in common."""
    study, dataset, name = training.folder.parts[-4:-1]
    return {"study": study, "dataset": dataset, **_tags_of_name(name)}


def _tags_of_name(run: str) -> dict[str, str]:
    """Return the row that a run trains and, for a variation, the condition that differs.

    >>> _tags_of_name("sfsc@kl_weight=0.005")
    {'method': 'sfsc', 'variation': 'kl_weight', 'condition': '0.005'}
    >>> _tags_of_name("sfsc")
    {'method': 'sfsc'}
    """
    method, _, rest = run.partition("@")
    variation, _, condition = rest.partition("=")
    return {"method": method} | ({"variation": variation, "condition": condition} if rest else {})


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values of a tree with dotted keys, MLflow's parameters.

    >>> dict(flatten({"seed": 0, "train": {"epochs": 4}}))
    {'seed': '0', 'train.epochs': '4'}
    """
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, str(value)


def metrics(training: FinishedTraining) -> Iterator[Metric]:
    """Yield all metrics of a run: curves of the training, then tests, cost and resource use."""
    yield from _curves(training)
    yield from _validation(training)
    steps = training.run["steps"]
    for name, value in (_results(training) | _resources(training)).items():
        yield Metric(name, float(value), training.clock(steps), steps)


def _curves(training: FinishedTraining) -> Iterator[Metric]:
    """Yield the records of each step, thinned to `CURVE_POINTS`, without those of single layers."""
    table = pd.read_parquet(training.folder / "training.parquet")
    table = table[(table["layer"] == "") & table["value"].notna()]
    for names, curve in table.groupby(["metric", "switch", "other"], observed=True):
        name = curve_name(*cast("tuple[str, int, int]", names))
        stride = math.ceil(len(curve) / CURVE_POINTS)
        thinned = curve.iloc[(len(curve) - 1) % stride :: stride]  # keeps the last point
        for step, value in zip(thinned["step"].tolist(), thinned["value"].tolist(), strict=True):
            yield Metric(name, value, training.clock(step), step)


def curve_name(metric: str, switch: int, other: int) -> str:
    """Return the name of a metric; MLflow groups charts by the part before the slash.

    >>> curve_name("base_loss", 2, -1), curve_name("cosine_nested", 0, 3)
    ('base_loss/switch2', 'cosine_nested/switch0_switch3')
    """
    switches = [f"switch{i}" for i in (switch, other) if i >= 0]
    return "/".join([metric, "_".join(switches)]) if switches else metric


def _validation(training: FinishedTraining) -> Iterator[Metric]:
    """Yield the validation curve over steps, as the losses are."""
    run = training.run
    for point in run["validation"]:
        step = round(point["epoch"] * run["steps"] / run["epochs"])
        yield Metric("validation/average_map", point["average_map"], training.clock(step), step)


def _results(training: FinishedTraining) -> dict[str, float]:
    """Return test metrics, each cell of the matrix, and the cost of each sub-model."""
    run = training.run
    cells = {
        f"map_q{i}_g{j}": value
        for i, row in enumerate(training.matrix)
        for j, value in enumerate(row)
    }
    costs = {
        f"{name}/switch{i}": value
        for name in ("macs", "parameters")
        for i, value in enumerate(run[name])
    }
    return training.summary | cells | costs | {"wall_seconds": run["wall_seconds"]}


def _resources(training: FinishedTraining) -> dict[str, float]:
    """Return what the jobs of the run used, from Snakemake's benchmark files if there are any."""
    logs = training.folder.parents[4] / "logs" / training.key
    values: dict[str, float] = {}
    for path in sorted(logs.glob("*.tsv")):
        (row,) = pd.read_csv(path, sep="\t").to_dict("records")
        used = {f"system/{path.stem}_{name}": row.get(column) for column, name in SYSTEM.items()}
        values |= {k: float(v) for k, v in used.items() if isinstance(v, int | float)}
    return values


def dataset_input(training: FinishedTraining) -> DatasetInput:
    """Return the prepared set as MLflow's data set, named by the digest of its data."""
    digest = training.run["data_digest"]
    source = json.dumps({"uri": f"data/prepared/{training.folder.parts[-4]}/{training.dataset}"})
    # MLflow keeps 36 characters of a digest; a tag has all of it.
    return DatasetInput(Dataset(training.dataset, digest[:36], source_type="local", source=source))


def digest_of_all(paths: Sequence[Path]) -> str:
    """Return one digest of several files, with their names."""
    text = "\0".join(f"{path.name}\0{digest_of(path)}" for path in paths)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"{path} must be a readable JSON file. Found: {error}") from error
    if not isinstance(tree, dict):
        raise ResultError(f"{path} must hold a JSON object. Found a {type(tree).__name__}.")
    return tree
