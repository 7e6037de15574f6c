"""Live curves in MLflow: a process that mirrors the record streams of running trainings.

A training only appends to `checkpoints/stream.jsonl` in its folder; the follower reads what is new
there. A store that is down, hangs or is killed thus costs a training nothing. What it missed is
sent when it answers again; sending a point twice shows it once. When the study is mirrored, a
finished run replaces its live run.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sfsc.tracking.finished import LIVE, curve_name, flatten
from sfsc.tracking.store import (
    BATCH,
    UNREACHABLE,
    connect,
    experiment_of,
    is_refusal,
    raise_unless_down,
)
from sfsc.tracking.streams import find_streams, identity_of, key_of, read_new

LOGGER = logging.getLogger(__name__)


@dataclass
class LiveRun:
    """The MLflow run of one training in progress."""

    run_id: str
    start: int
    """Start of the run, ms since the epoch; the time of a point is `start` + its step."""
    stream: str
    """Identity of its stream."""
    offset: int = 0
    """Bytes of the stream that MLflow has."""


def follow(
    study_dir: Path, uri: str | None, *, seconds: float, stop: Callable[[float], bool]
) -> None:
    """Mirror the streams of a study's trainings until told to stop.

    Args:
        study_dir: `results/<study>`; need not exist yet.
        uri: The tracking store; None is an SQLite database in the working directory.
        seconds: Time between two reads of the streams.
        stop: Waits for that time and returns whether to stop, as `threading.Event().wait` does.
    """
    follower = Follower(study_dir, uri)
    is_down = False
    while True:
        try:
            follower.advance()
        except UNREACHABLE as error:
            raise_unless_down(error)
            if not is_down:
                LOGGER.warning("MLflow does not answer: %s", str(error).splitlines()[0])
            is_down = True
        else:
            if is_down:
                LOGGER.info("MLflow answers again; nothing is lost.")
            is_down = False
        if stop(seconds):
            return


class Follower:
    """The live runs of a study.

    Args:
        study_dir: `results/<study>`.
        uri: The tracking store, as for `connect`.
    """

    def __init__(self, study_dir: Path, uri: str | None) -> None:
        self.study_dir, self.uri = study_dir, uri
        self.runs: dict[str, LiveRun] = {}

    def advance(self) -> None:
        """Send what is new in each stream; end the runs of finished trainings.

        Raises:
            MlflowException: If the store does not answer; the next call sends the rest.
            OSError, SQLAlchemyError: As `MlflowException`.
        """
        try:
            self._mirror()
        except MlflowException as error:
            if not is_refusal(error):
                raise
            self._mirror()  # a run was deleted meanwhile, and is created again

    def _mirror(self) -> None:
        streams = {key_of(path, self.study_dir): path for path in find_streams(self.study_dir)}
        if not streams and not self.runs:
            return
        client = connect(self.uri)
        experiment = experiment_of(client, f"sfsc/{self.study_dir.name}", self.uri)
        # Asked each time: runs or the whole store may have been deleted meanwhile.
        self.runs = _known_runs(client, experiment, self.runs)
        for key, stream in streams.items():
            self._send_new(client, experiment, key, stream)
        for key, run in self.runs.items():
            if (self.study_dir.parent / key / "run.json").exists():
                client.set_terminated(run.run_id)

    def _send_new(self, client: MlflowClient, experiment: str, key: str, stream: Path) -> None:
        identity = identity_of(stream)
        if identity is None:
            return
        run = self.runs.get(key)
        if run and run.stream != identity:
            client.delete_run(run.run_id)
        if not run or run.stream != identity:
            run = self.runs[key] = _create_run(client, experiment, key, stream, identity)
        records, end = read_new(stream, run.offset)
        points = [metric for record in records for metric in _metrics(record, run.start)]
        for first in range(0, len(points), BATCH):
            client.log_batch(run.run_id, metrics=points[first : first + BATCH])
        run.offset = end


def _metrics(record: Mapping[str, Any], start: int) -> Iterator[Metric]:
    """Yield the points of one record, without those of single layers and matrices."""
    if "average_map" in record:
        epoch = int(record["epoch"])
        yield Metric("validation/average_map", record["average_map"], start + epoch, epoch)
        return
    step = int(record["step"])
    for metric, value in record.items():
        if metric in {"step", "epoch", "cosine_layer"}:
            continue
        for switch, other, number in _points(value):
            if not math.isnan(number):  # as in the finished run
                yield Metric(curve_name(metric, switch, other), number, start + step, step)


def _points(value: Any) -> Iterator[tuple[int, int, float]]:
    """Yield each number of a recorded value with its switch and other switch, -1 for none."""
    if not isinstance(value, list):
        yield -1, -1, float(value)
        return
    for index, entry in enumerate(value):
        pair = isinstance(entry, list)
        yield (int(entry[0]), int(entry[1]), float(entry[2])) if pair else (index, -1, float(entry))


def _known_runs(
    client: MlflowClient, experiment: str, sent: Mapping[str, LiveRun]
) -> dict[str, LiveRun]:
    """Return the live runs of the store by key.

    Args:
        client: Client of the store.
        experiment: Identifier of the study's experiment.
        sent: Runs that this follower knows; the stream of any other is sent from its start.
    """
    in_progress = f"tags.`{LIVE}` != '' AND attributes.status = 'RUNNING'"
    offsets = {run.run_id: run.offset for run in sent.values()}
    return {
        run.data.tags["sfsc.key"]: LiveRun(
            run.info.run_id,
            run.info.start_time,
            run.data.tags[LIVE],
            offsets.get(run.info.run_id, 0),
        )
        for run in client.search_runs([experiment], in_progress, max_results=50_000)
    }


def _create_run(
    client: MlflowClient, experiment: str, key: str, stream: Path, identity: str
) -> LiveRun:
    """Create the run of a training that has just begun, with its settings as parameters."""
    start = int(1000 * time.time())
    study, dataset, method, *rest = key.split("/")
    tags = {"study": study, "dataset": dataset, "method": method, "sfsc.key": key, LIVE: identity}
    run = client.create_run(
        experiment,
        start_time=start,
        run_name="/".join([dataset, method, *rest]) + " (training)",
        tags={**tags, "seed": rest[0].removeprefix("seed")},
    )
    config = json.loads((stream.parents[1] / "config" / "train.json").read_text(encoding="utf-8"))[
        "config"
    ]
    client.log_batch(run.info.run_id, params=[Param(*item) for item in flatten(config)])
    LOGGER.info("following %s", key)
    return LiveRun(run.info.run_id, start, identity)
