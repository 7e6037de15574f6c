"""Mirrors result files into MLflow: one MLflow run per run, under experiment `sfsc/<study>`.

A run that was assembled of networks, one per width, is one run; its networks are none. The seeds of
a run are nested under a parent, which has their means and standard deviations. Sub-models of the
rows of `methods` are versions of registered models (`sfsc.tracking.registry`).

The files are the truth; MLflow is a view of them that can be rebuilt at any time. Mirroring again
is idempotent: a run carries the digest of its training's files, set last, so that a run that is
complete and unchanged is left alone, any other is replaced, and one whose training is gone is
deleted. A store that does not answer is no failure: the stamp says "deferred", and the next
`snakemake all` tries again.
"""

import hashlib
import itertools
import logging
import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.tracking import MlflowClient

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
from sfsc.tracking.training import (
    LIVE,
    Training,
    dataset,
    digest_of_all,
    find_trainings,
    metrics,
    params,
    summary,
    tags,
    tags_of_group,
)

LOGGER = logging.getLogger(__name__)


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
        with locked(study_dir / f"{NAME}.lock"):  # two at once would mirror each run twice
            runs = _mirror(study_dir, trainings, report_dir / "figures", uri)
    except UNREACHABLE as error:
        raise_unless_down(error)
        reason = str(error).splitlines()[0]
        LOGGER.warning("MLflow does not answer; the mirror waits for the next run: %s", reason)
        write_stamp(stamp, {"status": "deferred", "reason": reason})
    else:
        database = {"database": str(DATABASE)} if uri is None else {}
        write_stamp(stamp, {"status": "ok", "runs": len(runs), "mlflow_runs": runs, **database})


def _mirror(
    study_dir: Path, trainings: Sequence[Training], figures: Path, uri: str | None
) -> dict[str, str]:
    """Mirror runs and sub-models; return each training's MLflow run by its key."""
    client = connect(uri)
    experiment = experiment_of(client, f"sfsc/{study_dir.name}", uri)
    in_progress = {key_of(stream, study_dir) for stream in find_streams(study_dir)}
    runs = _synchronise(client, experiment, trainings, figures, in_progress)
    register(client, experiment, study_dir.name, {t: runs[t.key] for t in trainings})
    return runs


def _synchronise(
    client: MlflowClient,
    experiment: str,
    trainings: Sequence[Training],
    figures: Path,
    in_progress: Collection[str],
) -> dict[str, str]:
    """Mirror what is missing or changed; return each training's MLflow run by its key."""
    wanted = {training.key: training for training in trainings}
    groups = _groups(trainings)
    present: dict[str, str] = {}
    parents: dict[str, str] = {}
    for run in client.search_runs([experiment], max_results=50_000):
        key, sha = (run.data.tags.get(tag) for tag in ("sfsc.key", "sfsc.sha"))
        if key in groups and key not in parents:
            parents[key] = run.info.run_id
        elif key in wanted and key not in present and sha == wanted[key].sha:
            present[key] = run.info.run_id
            _attach_figures(client, run.info.run_id, run.data.tags, wanted[key], figures)
        elif not (LIVE in run.data.tags and key in in_progress):
            _delete(client, experiment, run)
    for group, seeds in groups.items():
        parent = parents.get(group) or _create_parent(client, experiment, seeds)
        for training in seeds:
            if training.key not in present:
                present[training.key] = _log_training(client, experiment, training, figures)
                LOGGER.info("mirrored %s", training.key)
        _group_under(client, parent, seeds, present)
    return present


def _groups(trainings: Sequence[Training]) -> dict[str, list[Training]]:
    """Return the seeds of each run."""
    by_group = sorted(trainings, key=lambda training: training.group)
    return {g: list(seeds) for g, seeds in itertools.groupby(by_group, key=lambda t: t.group)}


def _delete(client: MlflowClient, experiment: str, run: Run) -> None:
    delete_models(client, experiment, run.info.run_id)
    client.delete_run(run.info.run_id)


def _create_parent(client: MlflowClient, experiment: str, seeds: Sequence[Training]) -> str:
    """Make the run under which the seeds of a run are nested; it starts with the first of them."""
    name = "/".join(seeds[0].folder.parts[-3:-1])
    run_tags = {**tags_of_group(seeds[0]), "sfsc.key": seeds[0].group}
    start = min(training.clock(0) for training in seeds)
    run = client.create_run(experiment, run_name=name, tags=run_tags, start_time=start)
    return str(run.info.run_id)


def _group_under(
    client: MlflowClient, parent: str, seeds: Sequence[Training], runs: Mapping[str, str]
) -> None:
    """Nest the seeds of a run under its parent and give that their means and deviations."""
    text = "\0".join(f"{runs[training.key]} {training.sha}" for training in seeds)
    digest = hashlib.sha256(text.encode()).hexdigest()
    known = client.get_run(parent).data.tags
    if known.get("sfsc.seeds") == digest:
        return
    for training in seeds:
        client.set_tag(runs[training.key], "mlflow.parentRunId", parent)
    values = [summary(training) for training in seeds]
    end = max(training.clock(training.run["steps"]) for training in seeds)
    of_all = []
    for name in values[0]:
        column = [float(value[name]) for value in values if name in value]
        of_all.append(Metric(f"{name}_mean", statistics.fmean(column), end, 0))
        if len(column) > 1:
            of_all.append(Metric(f"{name}_std", statistics.stdev(column), end, 0))
    of_all.append(Metric("seeds", len(seeds), end, 0))
    client.log_batch(parent, metrics=of_all)
    client.set_terminated(parent, end_time=end)
    client.set_tag(parent, "sfsc.seeds", digest)


def _log_training(client: MlflowClient, experiment: str, training: Training, figures: Path) -> str:
    """Mirror a training and return its MLflow run."""
    run = client.create_run(
        experiment, start_time=training.clock(0), tags=tags(training), run_name=training.name
    )
    run_id = str(run.info.run_id)
    client.log_batch(run_id, params=[Param(*item) for item in params(training).items()])
    of_run = metrics(training)
    while batch := list(itertools.islice(of_run, BATCH)):
        client.log_batch(run_id, metrics=batch)
    client.log_inputs(run_id, datasets=[dataset(training)])
    _log_artifacts(client, run_id, training)
    _attach_figures(client, run_id, {}, training, figures)
    client.set_terminated(run_id, end_time=training.clock(training.run["steps"]))
    client.set_tag(run_id, "sfsc.sha", training.sha)
    return run_id


def _log_artifacts(client: MlflowClient, run_id: str, training: Training) -> None:
    for name in ("run.json", "cross_test.json", "training.parquet"):
        client.log_artifact(run_id, str(training.folder / name))
    client.log_artifact(
        run_id, str(training.folder / "config" / f"{training.stage}.json"), "fingerprint"
    )
    client.log_artifact(run_id, str(training.folder / "model.safetensors"), "model")
    matrix = {"widths": training.run["widths"], **training.cross_test["matrices"]}
    client.log_dict(run_id, matrix, "matrix.json")


def _attach_figures(
    client: MlflowClient, run_id: str, known: Mapping[str, str], training: Training, figures: Path
) -> None:
    """Show the report's figures of the run's data set; changed ones do not replace the run."""
    paths = sorted(figures.glob(f"{training.folder.parts[-3]}_*.png"))
    digest = digest_of_all(paths)
    if known.get("sfsc.figures") != digest:
        for path in paths:
            client.log_artifact(run_id, str(path), "figures")
        client.log_batch(run_id, tags=[RunTag("sfsc.figures", digest)])
