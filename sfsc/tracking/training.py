"""What MLflow is told of a finished training: tags, parameters and metrics from its files."""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pandas as pd
from mlflow.entities import Dataset, DatasetInput, Metric

from sfsc.errors import ResultError
from sfsc.provenance import digest_of

CURVE_POINTS = 100
"""Most points of a mirrored curve, enough for a chart; the Parquet artifact has them all."""
LIVE = "sfsc.live"
"""Tag of a run that shows a training in progress: the identity of its record stream."""
FILES = ("run.json", "cross_test.json", "training.parquet", "model.safetensors")
"""What a finished training consists of, in its folder."""
SYSTEM = {
    "s": "seconds", "max_rss": "max_rss_mb", "cpu_time": "cpu_seconds",
    "mean_load": "mean_load_percent", "io_in": "read_mb", "io_out": "written_mb",
}  # fmt: skip
"""Columns of Snakemake's benchmark files, as metrics."""


@dataclass(frozen=True)
class Training:
    """A finished training on disk: `results/<study>/<dataset>/<run>/seed<k>`."""

    folder: Path

    @property
    def key(self) -> str:
        """The one stable identity of the training: `<study>/<dataset>/<run>/seed<k>`."""
        return "/".join(self.folder.parts[-4:])

    @property
    def group(self) -> str:
        """The identity of what it is one seed of: `<study>/<dataset>/<run>`."""
        return "/".join(self.folder.parts[-4:-1])

    @property
    def name(self) -> str:
        """What a person reads: `<dataset>/<run>/seed<k>`."""
        return "/".join(self.folder.parts[-3:])

    @property
    def is_row(self) -> bool:
        """Whether it trains a row of `methods` as it is, not a condition of a variation."""
        return "@" not in self.folder.parent.name

    @cached_property
    def sha(self) -> str:
        """Digest of all files that are mirrored."""
        return digest_of_all([self.folder / name for name in FILES])

    @cached_property
    def run(self) -> dict[str, Any]:
        """`run.json`."""
        return _read_json(self.folder / "run.json")

    @cached_property
    def cross_test(self) -> dict[str, Any]:
        """`cross_test.json`."""
        return _read_json(self.folder / "cross_test.json")

    @property
    def stage(self) -> str:
        """The stage that made it: `train`, or `assemble` for one network per width."""
        return "assemble" if (self.folder / "config" / "assemble.json").exists() else "train"

    def check(self) -> None:
        """Refuse a training with a missing or unreadable file before anything is mirrored.

        Raises:
            ResultError: With the file's path.
        """
        for name in FILES:
            if not (self.folder / name).is_file():
                raise ResultError(
                    f"A finished training must have `{name}`. Found none in {self.folder}."
                )
        _ = self.run, self.cross_test

    def clock(self, step: float) -> int:
        """Return when a step was done, ms since the epoch; steps take equally long."""
        end = datetime.fromisoformat(self.run["finished"]).timestamp()
        left = 1.0 - step / max(self.run["steps"], 1)
        return int(1000 * (end - left * self.run["wall_seconds"]))

    @property
    def matrix(self) -> list[list[float]]:
        """Mean average precisions as the study reports them, (M, M), fractions."""
        matrix: list[list[float]] = self.cross_test["matrices"][_map_name(self)]
        return matrix


def find_trainings(study_dir: Path) -> list[Training]:
    """Return the finished trainings of a study, those with a `run.json`, by path."""
    return [Training(path.parent) for path in sorted(study_dir.glob("*/*/seed*/run.json"))]


def tags(training: Training) -> dict[str, str]:
    """Return what a run is found by, and where its numbers come from."""
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
        "mlflow.note.content": _note(training),
        **({"reranking": json.dumps(reranking)} if reranking else {}),
    }


def tags_of_group(training: Training) -> dict[str, str]:
    """Return the tags that all seeds of a run have."""
    study, dataset, name = training.folder.parts[-4:-1]
    return {"study": study, "dataset": dataset, **_tags_of_name(name)}


def _tags_of_name(run: str) -> dict[str, str]:
    """Return which row a run trains and, of an ablation or a robustness study, where it differs.

    >>> _tags_of_name("sfsc@kl_weight=0.005")
    {'method': 'sfsc', 'variation': 'kl_weight', 'condition': '0.005'}
    >>> _tags_of_name("sfsc")
    {'method': 'sfsc'}
    """
    method, _, rest = run.partition("@")
    variation, _, condition = rest.partition("=")
    return {"method": method} | ({"variation": variation, "condition": condition} if rest else {})


def _note(training: Training) -> str:
    """Return the matrix as the text that the run's page opens with."""
    widths = [f"{width:g}" for width in training.run["widths"]]
    table = [
        ["query width \\ gallery width", *widths],
        ["---"] * (len(widths) + 1),
        *(
            [width, *(f"{100 * value:.2f}" for value in row)]
            for width, row in zip(widths, training.matrix, strict=True)
        ),
    ]
    lines = ["| " + " | ".join(cells) + " |" for cells in table]
    return "\n".join([f"mAP (%) of {training.name}:", "", *lines])


def _map_name(training: Training) -> str:
    return f"map_{training.cross_test['average_precision']}"


def params(training: Training) -> dict[str, str]:
    """Return the settings of the training, one parameter per value."""
    return dict(flatten(training.run["settings"]))


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values of a tree with their dotted keys."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, str(value)


def metrics(training: Training) -> Iterator[Metric]:
    """Yield all metrics of a run: curves, validation, tests, costs, what its jobs used."""
    return itertools.chain(
        _curves(training), _validation(training), _summary(training), _system(training)
    )


def _curves(training: Training) -> Iterator[Metric]:
    """Yield what was recorded per step, thinned to `CURVE_POINTS`; per-layer values stay a file."""
    table = pd.read_parquet(training.folder / "training.parquet")
    table = table[(table["layer"] == "") & table["value"].notna()]
    for names, curve in table.groupby(["metric", "switch", "other"], observed=True):
        stride = math.ceil(len(curve) / CURVE_POINTS)
        thinned = curve.iloc[(len(curve) - 1) % stride :: stride]  # the last point is always there
        for step, value in zip(thinned["step"].tolist(), thinned["value"].tolist(), strict=True):
            yield Metric(
                curve_name(*cast("tuple[str, int, int]", names)), value, training.clock(step), step
            )


def curve_name(metric: str, switch: int, other: int) -> str:
    """Return the metric's name; MLflow groups charts by what is before the slash.

    >>> curve_name("base_loss", 2, -1), curve_name("cosine_nested", 0, 3)
    ('base_loss/switch2', 'cosine_nested/switch0_switch3')
    """
    switches = [f"switch{i}" for i in (switch, other) if i >= 0]
    return "/".join([metric, "_".join(switches)]) if switches else metric


def _validation(training: Training) -> Iterator[Metric]:
    """Yield the validation curve, on the same axis of steps as the losses."""
    run = training.run
    for point in run["validation"]:
        step = round(point["epoch"] * run["steps"] / run["epochs"])
        yield Metric("validation/average_map", point["average_map"], training.clock(step), step)


def summary(training: Training) -> dict[str, float]:
    """Return the means over the cells of each matrix of the tests."""
    values = {k: v for k, v in training.cross_test["summary"].items() if v is not None}
    matrices = training.cross_test["matrices"]
    return values | {f"mean_{name}": _mean(matrix) for name, matrix in matrices.items()}


def _summary(training: Training) -> Iterator[Metric]:
    """Yield the test metrics, each cell of the matrix, and the cost of each sub-model."""
    run = training.run
    values = summary(training)
    for i, row in enumerate(training.matrix):
        values |= {f"map_q{i}_g{j}": value for j, value in enumerate(row)}
    for name in ("macs", "parameters"):
        values |= {f"{name}/switch{i}": value for i, value in enumerate(run[name])}
    values["wall_seconds"] = run["wall_seconds"]
    yield from _at_the_end(training, values)


def _mean(matrix: Sequence[Sequence[float]]) -> float:
    cells = [value for row in matrix for value in row]
    return sum(cells) / len(cells)


def _system(training: Training) -> Iterator[Metric]:
    """Yield what the run's jobs used, of the files that Snakemake wrote of them, if it did."""
    study_dir = training.folder.parents[2]
    logs = study_dir.parents[1] / "logs" / Path(*training.folder.parts[-4:])
    for path in sorted(logs.glob("*.tsv")):
        (row,) = pd.read_csv(path, sep="\t").to_dict("records")
        values = {f"system/{path.stem}_{name}": row.get(column) for column, name in SYSTEM.items()}
        known = {k: float(v) for k, v in values.items() if isinstance(v, int | float)}
        yield from _at_the_end(training, known)


def _at_the_end(training: Training, values: Mapping[str, float]) -> Iterator[Metric]:
    steps = training.run["steps"]
    for name, value in values.items():
        yield Metric(name, float(value), training.clock(steps), steps)


def dataset(training: Training) -> DatasetInput:
    """Return the prepared set, named by the digest of its data."""
    name, digest = training.run["dataset"], training.run["data_digest"]
    source = json.dumps({"uri": f"data/prepared/{training.folder.parts[-4]}/{name}"})
    # MLflow keeps 36 characters of a digest; the whole of it is a tag.
    return DatasetInput(Dataset(name, digest[:36], source_type="local", source=source))


def digest_of_all(paths: Sequence[Path]) -> str:
    """Return one digest of files, their names included."""
    text = "\0".join(f"{path.name}\0{digest_of(path)}" for path in paths)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ResultError(f"{path} must be a readable JSON file. Found: {error}") from error
    if not isinstance(tree, dict):
        raise ResultError(f"{path} must hold a JSON object. Found a {type(tree).__name__}.")
    return tree
