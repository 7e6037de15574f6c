"""Mirrors a study's result files into MLflow, as experiment `sfsc/<study>`.

Each finished training is an MLflow run, nested under a parent that has a description, and means and
standard deviations over its seeds. A run that was assembled from one network per width is one
MLflow run. Sub-models of the rows of `methods` are versions of registered models
(`sfsc.tracking.registry`).

Large files are stored once: the weights of a row with its registered sub-models, those of a
condition of a variation with its run; the figures of a data set with the parents of the rows.

The files are the truth; MLflow is a view of them that can be rebuilt at any time. Mirroring is
idempotent: each run's last tag is the digest of its training's files. A run with the right digest
is kept, one without or with another digest is replaced, and one whose training is gone is deleted.
A store that does not answer is no failure: the stamp says "deferred", and the next `snakemake all`
tries again.
"""

import hashlib
import itertools
import logging
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from sfsc.tracking.finished import (
    LIVE,
    FinishedTraining,
    dataset_input,
    digest_of_all,
    find_trainings,
    flatten,
    metrics,
    tags,
    tags_of_group,
)
from sfsc.tracking.notes import NOTE, note_of_experiment, note_of_seeds, note_of_training
from sfsc.tracking.registry import delete_models, register
from sfsc.tracking.stamp import NAME, write_stamp
from sfsc.tracking.store import (
    BATCH,
    DATABASE,
    UNREACHABLE,
    connect,
    experiment_of,
    locked,
    raise_unless_down,
)
from sfsc.tracking.streams import find_streams, key_of

LOGGER = logging.getLogger(__name__)


def mirror(
    study_dir: Path, report_dir: Path, stamp: Path, uri: str | None, *, onnx: bool = False
) -> None:
    """Make the experiment of a study show exactly the study's finished trainings.

    Args:
        study_dir: `results/<study>`.
        report_dir: `reports/<study>`; its figures are shown with the rows of their data set.
        stamp: File to write last: `{"status": "ok" | "deferred", ...}`.
        uri: The tracking store; None is an SQLite database in the working directory.
        onnx: Whether to add an ONNX file to each registered sub-model that has an alias.

    Raises:
        ConfigError: If `onnx` needs a package that is not installed.
        ResultError: If a result file is missing or damaged.
        TrackingError: If the store refuses the runs.
    """
    trainings = find_trainings(study_dir)
    for training in trainings:
        training.check()
    try:
        with locked(study_dir / f"{NAME}.lock"):  # two mirrors at once would duplicate each run
            client = connect(uri)
            experiment = experiment_of(client, f"sfsc/{study_dir.name}", uri)
            live = {key_of(stream, study_dir) for stream in find_streams(study_dir)}
            runs = _synchronise(client, experiment, trainings, report_dir, live)
            note = note_of_experiment(study_dir.name, trainings, report_dir)
            client.set_experiment_tag(experiment, NOTE, note)
            found = {training: runs[training.key] for training in trainings}
            register(client, experiment, study_dir.name, found, onnx=onnx)
    except UNREACHABLE as error:
        raise_unless_down(error)
        reason = str(error).splitlines()[0]
        LOGGER.warning("MLflow does not answer; the mirror waits for the next run: %s", reason)
        write_stamp(stamp, {"status": "deferred", "reason": reason})
    else:
        database = {"database": str(DATABASE)} if uri is None else {}
        content = {"experiment": experiment, "runs": len(runs), "mlflow_runs": runs}
        write_stamp(stamp, {"status": "ok", **content, **database})


def _synchronise(
    client: MlflowClient,
    experiment: str,
    trainings: Sequence[FinishedTraining],
    report_dir: Path,
    live: Collection[str],
) -> dict[str, str]:
    """Mirror what is missing or changed; return the MLflow run of each training by its key."""
    wanted = {training.key: training for training in trainings}
    by_group = sorted(trainings, key=lambda training: training.group)
    groups = {g: list(seeds) for g, seeds in itertools.groupby(by_group, lambda t: t.group)}
    runs: dict[str, str] = {}
    parents: dict[str, str] = {}
    for run in client.search_runs([experiment], max_results=50_000):
        key, sha = (run.data.tags.get(tag, "") for tag in ("sfsc.key", "sfsc.sha"))
        digest = run.data.tags.get("data_digest")
        is_parent = key in groups and digest == groups[key][0].run["data_digest"]
        if is_parent and key not in parents:
            parents[key] = run.info.run_id
        elif key in wanted and key not in runs and sha == wanted[key].sha:
            runs[key] = run.info.run_id
        elif not (LIVE in run.data.tags and key in live):
            delete_models(client, experiment, run.info.run_id)
            client.delete_run(run.info.run_id)
    for group, seeds in groups.items():
        parent = parents.get(group) or _create_parent(client, experiment, seeds)
        for training in seeds:
            if training.key not in runs:
                runs[training.key] = _log_training(client, experiment, training)
                LOGGER.info("mirrored %s", training.key)
        _update_parent(client, parent, seeds, runs, report_dir)
        if seeds[0].is_row:
            figures = sorted((report_dir / "figures").glob(f"{seeds[0].dataset}_*.png"))
            _attach_figures(client, parent, figures)
    return runs


def _create_parent(client: MlflowClient, experiment: str, seeds: Sequence[FinishedTraining]) -> str:
    """Create the parent run of some seeds; it starts with the first of them."""
    name = "/".join(seeds[0].folder.parts[-3:-1])
    run_tags = {
        **tags_of_group(seeds[0]),
        "sfsc.key": seeds[0].group,
        "data_digest": seeds[0].run["data_digest"],
    }
    start = min(training.clock(0) for training in seeds)
    run = client.create_run(experiment, run_name=name, tags=run_tags, start_time=start)
    client.log_inputs(run.info.run_id, datasets=[dataset_input(seeds[0])])
    return str(run.info.run_id)


def _update_parent(
    client: MlflowClient,
    parent: str,
    seeds: Sequence[FinishedTraining],
    runs: Mapping[str, str],
    report_dir: Path,
) -> None:
    """Nest the seeds of a run under its parent and summarise them there, if they have changed."""
    numbers = dict(_summarise(seeds))
    note = note_of_seeds(seeds, numbers, report_dir)
    text = "\0".join([note, *(f"{runs[training.key]} {training.sha}" for training in seeds)])
    digest = hashlib.sha256(text.encode()).hexdigest()
    if client.get_run(parent).data.tags.get("sfsc.seeds") == digest:
        return
    for training in seeds:
        client.set_tag(runs[training.key], "mlflow.parentRunId", parent)
    end = max(training.clock(training.run["steps"]) for training in seeds)
    summaries = [Metric(name, value, end, 0) for name, value in numbers.items()]
    client.log_batch(parent, metrics=summaries)
    client.set_tag(parent, NOTE, note)
    client.set_terminated(parent, end_time=end)
    client.set_tag(parent, "sfsc.seeds", digest)


def _summarise(seeds: Sequence[FinishedTraining]) -> Iterator[tuple[str, float]]:
    """Yield the number of seeds, and mean and standard deviation of each test metric."""
    yield "seeds", len(seeds)
    for name in seeds[0].summary:
        values = [seed.summary[name] for seed in seeds if name in seed.summary]
        yield f"{name}_mean", statistics.fmean(values)
        if len(values) > 1:
            yield f"{name}_std", statistics.stdev(values)


def _log_training(client: MlflowClient, experiment: str, training: FinishedTraining) -> str:
    """Mirror a training and return its MLflow run."""
    run_tags = {**tags(training), NOTE: note_of_training(training)}
    run = client.create_run(
        experiment, start_time=training.clock(0), tags=run_tags, run_name=training.name
    )
    run_id = str(run.info.run_id)
    client.log_batch(run_id, params=[Param(*p) for p in flatten(training.run["settings"])])
    points = metrics(training)
    while batch := list(itertools.islice(points, BATCH)):
        client.log_batch(run_id, metrics=batch)
    client.log_inputs(run_id, datasets=[dataset_input(training)])
    _log_artifacts(client, run_id, training)
    client.set_terminated(run_id, end_time=training.clock(training.run["steps"]))
    client.set_tag(run_id, "sfsc.sha", training.sha)
    return run_id


def _log_artifacts(client: MlflowClient, run_id: str, training: FinishedTraining) -> None:
    for name in ("run.json", "cross_test.json", "training.parquet"):
        client.log_artifact(run_id, str(training.folder / name))
    config = training.folder / "config" / f"{training.stage}.json"
    client.log_artifact(run_id, str(config), "fingerprint")
    if not training.is_row:
        client.log_artifact(run_id, str(training.folder / "model.safetensors"), "model")
    matrix = {"widths": training.run["widths"], **training.cross_test["matrices"]}
    client.log_dict(run_id, matrix, "matrix.json")


def _attach_figures(client: MlflowClient, parent: str, paths: Sequence[Path]) -> None:
    """Show figures with a parent run, if they have changed."""
    digest = digest_of_all(paths)
    if client.get_run(parent).data.tags.get("sfsc.figures") != digest:
        for path in paths:
            client.log_artifact(parent, str(path), "figures")
        client.set_tag(parent, "sfsc.figures", digest)
