"""Mirrors result files into MLflow: one MLflow run per run, under experiment `sfsc/<study>`.

A run that was assembled of networks, one per width, is one run; its networks are none.

The files are the truth; MLflow is a view of them that can be rebuilt at any time. Mirroring again
is idempotent: a run carries the digest of its training's files, set last, so that a run that is
complete and unchanged is left alone, any other is replaced, and one whose training is gone is
deleted. A store that does not answer is no failure: the stamp says "deferred", and the next
`snakemake all` tries again. The only importer of mlflow.
"""

import hashlib
import itertools
import json
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pandas as pd
from sqlalchemy.exc import SQLAlchemyError

from sfsc.errors import ResultError
from sfsc.provenance import digest_of
from sfsc.tracking_stamp import write_stamp

# MLflow reads these when it is imported. The user's own settings win.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no connection without being asked
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the default blocks for 4 minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")  # seconds

from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag  # noqa: TID251
from mlflow.exceptions import MlflowException  # noqa: TID251
from mlflow.tracking import MlflowClient  # noqa: TID251

LOGGER = logging.getLogger(__name__)

DATABASE = Path("mlflow.db")
ARTIFACTS = Path("mlartifacts")
BATCH = 1000
"""Metrics that MLflow accepts in one call."""
CURVE_POINTS = 100
"""Most points of a mirrored curve, enough for a chart; the Parquet artifact has them all."""
FILES = ("run.json", "cross_test.json", "training.parquet", "model.safetensors")
"""What a finished training consists of, in its folder."""
MODEL_TYPES = {"train": "switchable network", "assemble": "one network per width"}
"""What a run is, by the stage that made it."""
UNREACHABLE = (MlflowException, SQLAlchemyError, OSError)


def mirror(study_dir: Path, report_dir: Path, stamp: Path, uri: str | None) -> None:
    """Make the experiment of a study show exactly the study's finished trainings.

    Args:
        study_dir: `results/<study>`.
        report_dir: `reports/<study>`, whose figures of a data set are shown with its runs.
        stamp: Written last: `{"status": "ok" | "deferred", ...}`.
        uri: The tracking store; None is an SQLite database in the working directory.

    Raises:
        ResultError: If a result file is missing or damaged.
    """
    trainings = find_trainings(study_dir)
    for training in trainings:
        training.check()
    try:
        client = _connect(uri)
        experiment = _experiment(client, f"sfsc/{study_dir.name}", uri)
        runs = _synchronise(client, experiment, trainings, report_dir / "figures")
    except UNREACHABLE as error:
        reason = str(error).splitlines()[0]
        LOGGER.warning("MLflow does not answer; the mirror waits for the next run: %s", reason)
        write_stamp(stamp, {"status": "deferred", "reason": reason})
    else:
        database = {"database": str(DATABASE)} if uri is None else {}
        write_stamp(stamp, {"status": "ok", "runs": len(runs), "mlflow_runs": runs, **database})


@dataclass(frozen=True)
class Training:
    """A finished training on disk: `results/<study>/<dataset>/<run>/seed<k>`."""

    folder: Path

    @property
    def key(self) -> str:
        """The one stable identity of the training: `<study>/<dataset>/<run>/seed<k>`."""
        return "/".join(self.folder.parts[-4:])

    @property
    def name(self) -> str:
        """What a person reads: `<dataset>/<run>/seed<k>`."""
        return "/".join(self.folder.parts[-3:])

    @cached_property
    def sha(self) -> str:
        """Digest of all files that are mirrored."""
        return _digest_of_all([self.folder / name for name in FILES])

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


def find_trainings(study_dir: Path) -> list[Training]:
    """Return the finished trainings of a study, those with a `run.json`, by path."""
    return [Training(path.parent) for path in sorted(study_dir.glob("*/*/seed*/run.json"))]


def _connect(uri: str | None) -> MlflowClient:
    """Return a client of a store that answers.

    The default database is made under another name first: MLflow takes seconds to create its
    tables, and a database that was killed half-way stays unusable.
    """
    if uri is None and not DATABASE.exists():
        unfinished = DATABASE.with_suffix(".db.unfinished")
        unfinished.unlink(missing_ok=True)
        MlflowClient(tracking_uri=f"sqlite:///{unfinished.resolve()}").search_experiments(
            max_results=1
        )
        unfinished.replace(DATABASE)
    return MlflowClient(tracking_uri=uri or f"sqlite:///{DATABASE.resolve()}")


def _experiment(client: MlflowClient, name: str, uri: str | None) -> str:
    """Return the identifier of the study's experiment, made if there is none."""
    known = client.get_experiment_by_name(name)
    if known is not None:
        if known.lifecycle_stage == "deleted":
            client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)
    # A store elsewhere knows where its artifacts go; beside a local database it must be said.
    is_local = uri is None or uri.startswith("sqlite:")
    location = (ARTIFACTS.resolve() / name).as_uri() if is_local else None
    return str(client.create_experiment(name, artifact_location=location))


def _synchronise(
    client: MlflowClient, experiment: str, trainings: Sequence[Training], figures: Path
) -> dict[str, str]:
    """Mirror what is missing or changed; return each training's MLflow run by its key."""
    wanted = {training.key: training for training in trainings}
    present: dict[str, str] = {}
    for run in client.search_runs([experiment], max_results=50_000):
        key, sha = (run.data.tags.get(tag) for tag in ("sfsc.key", "sfsc.sha"))
        if key in wanted and key not in present and sha == wanted[key].sha:
            present[key] = run.info.run_id
            _attach_figures(client, run.info.run_id, run.data.tags, wanted[key], figures)
        else:
            _delete(client, experiment, run.info.run_id)
    for key in sorted(wanted.keys() - present.keys()):
        present[key] = _log_training(client, experiment, wanted[key], figures)
        LOGGER.info("mirrored %s", key)
    return present


def _delete(client: MlflowClient, experiment: str, run_id: str) -> None:
    models = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
    for model in models:
        client.delete_logged_model(model.model_id)
    client.delete_run(run_id)


def _log_training(client: MlflowClient, experiment: str, training: Training, figures: Path) -> str:
    """Mirror a training and return its MLflow run."""
    run = client.create_run(
        experiment, start_time=training.clock(0), tags=_tags(training), run_name=training.name
    )
    run_id = run.info.run_id
    client.log_batch(run_id, params=[Param(*item) for item in _params(training).items()])
    metrics = itertools.chain(_curves(training), _validation(training), _summary(training))
    while batch := list(itertools.islice(metrics, BATCH)):
        client.log_batch(run_id, metrics=batch)
    client.log_inputs(run_id, datasets=[_dataset(training)])
    _log_artifacts(client, run_id, training)
    _log_model(client, experiment, run_id, training)
    _attach_figures(client, run_id, {}, training, figures)
    client.set_terminated(run_id, end_time=training.clock(training.run["steps"]))
    client.set_tag(run_id, "sfsc.sha", training.sha)
    return str(run_id)


def _tags(training: Training) -> dict[str, str]:
    study, dataset, name, seed = training.folder.parts[-4:]
    run = training.run
    return {
        "study": study,
        "dataset": dataset,
        **_tags_of_name(name),
        "seed": seed.removeprefix("seed"),
        "sfsc.key": training.key,
        **{key: str(run[key]) for key in ("config_digest", "code_digest", "data_digest")},
        **{f"environment.{key}": str(value) for key, value in run["environment"].items()},
        "git_clean": str(run["git_clean"]),
        "mlflow.source.name": f"sfsc {training.stage}",
        "mlflow.source.git.commit": run["git_revision"],
        "mlflow.note.content": _note(training),
    }


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
    rows = zip(widths, training.cross_test["matrices"][_map_name(training)], strict=True)
    table = [
        ["query width \\ gallery width", *widths],
        ["---"] * (len(widths) + 1),
        *([width, *(f"{100 * value:.2f}" for value in row)] for width, row in rows),
    ]
    lines = ["| " + " | ".join(cells) + " |" for cells in table]
    return "\n".join([f"mAP (%) of {training.name}:", "", *lines])


def _map_name(training: Training) -> str:
    return f"map_{training.cross_test['average_precision']}"


def _params(training: Training) -> dict[str, str]:
    """Return the settings of the training, one parameter per value."""
    return dict(_flatten(training.run["settings"]))


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, str(value)


def _curves(training: Training) -> Iterator[Metric]:
    """Yield what was recorded per step, thinned to `CURVE_POINTS`; per-layer values stay a file."""
    table = pd.read_parquet(training.folder / "training.parquet")
    table = table[(table["layer"] == "") & table["value"].notna()]
    for names, curve in table.groupby(["metric", "switch", "other"], observed=True):
        stride = math.ceil(len(curve) / CURVE_POINTS)
        thinned = curve.iloc[(len(curve) - 1) % stride :: stride]  # the last point is always there
        for step, value in zip(thinned["step"].tolist(), thinned["value"].tolist(), strict=True):
            yield Metric(
                _curve_name(*cast("tuple[str, int, int]", names)), value, training.clock(step), step
            )


def _curve_name(metric: str, switch: int, other: int) -> str:
    """Return the metric's name; MLflow groups charts by what is before the slash.

    >>> _curve_name("base_loss", 2, -1), _curve_name("cosine_nested", 0, 3)
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


def _summary(training: Training) -> Iterator[Metric]:
    """Yield the test metrics, each cell of the matrix, and the cost of each sub-model."""
    matrices, run = training.cross_test["matrices"], training.run
    values = {k: v for k, v in training.cross_test["summary"].items() if v is not None}
    values |= {f"mean_{name}": _mean(matrix) for name, matrix in matrices.items()}
    for i, row in enumerate(matrices[_map_name(training)]):
        values |= {f"map_q{i}_g{j}": value for j, value in enumerate(row)}
    for name in ("macs", "parameters"):
        values |= {f"{name}/switch{i}": value for i, value in enumerate(run[name])}
    steps = run["steps"]
    values["wall_seconds"] = run["wall_seconds"]
    for name, value in values.items():
        yield Metric(name, float(value), training.clock(steps), steps)


def _mean(matrix: Sequence[Sequence[float]]) -> float:
    cells = [value for row in matrix for value in row]
    return sum(cells) / len(cells)


def _dataset(training: Training) -> DatasetInput:
    """Return the prepared set, named by the digest of its data."""
    name, digest = training.run["dataset"], training.run["data_digest"]
    source = json.dumps({"uri": f"data/prepared/{training.folder.parts[-4]}/{name}"})
    # MLflow keeps 36 characters of a digest; the whole of it is a tag.
    return DatasetInput(Dataset(name, digest[:36], source_type="local", source=source))


def _log_artifacts(client: MlflowClient, run_id: str, training: Training) -> None:
    for name in ("run.json", "cross_test.json", "training.parquet"):
        client.log_artifact(run_id, str(training.folder / name))
    client.log_artifact(
        run_id, str(training.folder / "config" / f"{training.stage}.json"), "fingerprint"
    )
    client.log_artifact(run_id, str(training.folder / "model.safetensors"), "model")
    matrix = {"widths": training.run["widths"], **training.cross_test["matrices"]}
    client.log_dict(run_id, matrix, "matrix.json")


def _log_model(client: MlflowClient, experiment: str, run_id: str, training: Training) -> None:
    """Show the weights among the experiment's models: safetensors and JSON, no pickle."""
    model = client.create_logged_model(
        experiment,
        name=training.name.translate(str.maketrans("/.", "-_")),  # no model may have them
        source_run_id=run_id,
        tags={"sfsc.key": training.key},
        model_type=MODEL_TYPES[training.stage],
    )
    for name in ("model.safetensors", "run.json"):
        client.log_model_artifact(model.model_id, str(training.folder / name))
    client.finalize_logged_model(model.model_id, "READY")


def _attach_figures(
    client: MlflowClient, run_id: str, tags: Mapping[str, str], training: Training, figures: Path
) -> None:
    """Show the report's figures of the run's data set; changed ones do not replace the run."""
    paths = sorted(figures.glob(f"{training.folder.parts[-3]}_*.png"))
    digest = _digest_of_all(paths)
    if tags.get("sfsc.figures") != digest:
        for path in paths:
            client.log_artifact(run_id, str(path), "figures")
        client.log_batch(run_id, tags=[RunTag("sfsc.figures", digest)])


def _digest_of_all(paths: Sequence[Path]) -> str:
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
