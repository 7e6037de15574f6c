"""Curves in MLflow while trainings run: a process beside them that mirrors their record streams.

A training knows nothing of it: it appends to `checkpoints/stream.jsonl` in its folder, and whoever
follows reads what is new there. A store that is down, hangs or is killed thus costs a training
nothing, and what it missed is sent when it is back: a point is a function of the stream, so that
sending it twice shows it once. A live run gives way to the finished one when the study is mirrored.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from sfsc.tracking.store import (
    BATCH,
    UNREACHABLE,
    connect,
    experiment_of,
    raise_unless_down,
)
from sfsc.tracking.training import curve_name, flatten

LOGGER = logging.getLogger(__name__)
STREAM = "checkpoints/stream.jsonl"
LIVE = "sfsc.live"
"""Tag of a run that shows a training in progress."""


@dataclass
class LiveRun:
    """How far the stream of one training is mirrored."""

    run_id: str
    start: int
    """Of the run, ms since the epoch; a point's time is `start` + its step."""
    offset: int = 0
    """Bytes of the stream that MLflow has."""
    is_over: bool = False


def follow(
    study_dir: Path, uri: str | None, *, seconds: float, stop: Callable[[float], bool]
) -> None:
    """Mirror the streams of a study's trainings until told to stop.

    Args:
        study_dir: `results/<study>`; may not be there yet.
        uri: The tracking store; None is an SQLite database in the working directory.
        seconds: Between two looks at the streams.
        stop: Waits that long and says whether to stop, as `threading.Event().wait` does.
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
        uri: The tracking store, as `connect` takes it.
    """

    def __init__(self, study_dir: Path, uri: str | None) -> None:
        self.study_dir, self.uri = study_dir, uri
        self.runs: dict[str, LiveRun] = {}
        self._store: tuple[MlflowClient, str] | None = None

    def advance(self) -> None:
        """Send what is new in every stream; end the runs whose training is over.

        Raises:
            MlflowException: If the store does not answer; what was not sent is sent next time.
            OSError, SQLAlchemyError: As `MlflowException`.
        """
        streams = sorted(self.study_dir.glob(f"*/*/seed*/**/{STREAM}"))
        if self._store is None and streams:
            client = connect(self.uri)
            experiment = experiment_of(client, f"sfsc/{self.study_dir.name}", self.uri)
            self.runs = _known_runs(client, experiment)
            self._store = client, experiment
        if self._store is None:
            return
        client, experiment = self._store
        for stream in streams:
            self._advance(client, experiment, stream)
        for key, run in self.runs.items():
            if not run.is_over and (self.study_dir.parent / key / "run.json").exists():
                client.set_terminated(run.run_id)
                run.is_over = True

    def _advance(self, client: MlflowClient, experiment: str, stream: Path) -> None:
        folder = stream.parents[1]
        key = folder.relative_to(self.study_dir.parent).as_posix()
        records, end = read_new(stream, self.runs[key].offset if key in self.runs else 0)
        if not records:
            return
        if key not in self.runs:
            self.runs[key] = _create_run(client, experiment, folder, key)
        run = self.runs[key]
        points = [metric for record in records for metric in _metrics(record, run.start)]
        for first in range(0, len(points), BATCH):
            client.log_batch(run.run_id, metrics=points[first : first + BATCH])
        run.offset = end


def read_new(stream: Path, offset: int) -> tuple[list[dict[str, Any]], int]:
    """Return the whole records of a stream behind an offset, and the offset behind them.

    A stream that is shorter than the offset was cut back by a resumed training and is read anew; a
    record that is not written to its end is left for the next time.

    Args:
        stream: The file.
        offset: Bytes that are known.
    """
    try:
        content = stream.read_bytes()
    except FileNotFoundError:  # the training has just ended
        return [], offset
    offset = 0 if len(content) < offset else offset
    end = content.rfind(b"\n") + 1
    lines = content[offset:end].splitlines()
    try:
        return [json.loads(line) for line in lines], max(offset, end)
    except ValueError:  # the offset is inside a record of a stream that was cut back and grew
        return read_new(stream, 0) if offset else ([], 0)


def _metrics(record: Mapping[str, Any], start: int) -> Iterator[Metric]:
    """Yield the points of one record; layers and matrices stay in the file."""
    if "average_map" in record:
        epoch = int(record["epoch"])
        yield Metric("validation/average_map", record["average_map"], start + epoch, epoch)
        return
    step = int(record["step"])
    for metric, value in record.items():
        if metric in {"step", "epoch", "cosine_layer"}:
            continue
        for switch, other, number in _points(value):
            yield Metric(curve_name(metric, switch, other), number, start + step, step)


def _points(value: Any) -> Iterator[tuple[int, int, float]]:
    """Yield switch, other switch and number of a recorded value."""
    if not isinstance(value, list):
        yield -1, -1, float(value)
        return
    for index, entry in enumerate(value):
        pair = isinstance(entry, list)
        yield (int(entry[0]), int(entry[1]), float(entry[2])) if pair else (index, -1, float(entry))


def _known_runs(client: MlflowClient, experiment: str) -> dict[str, LiveRun]:
    """Return the live runs that another follower has begun, by their key."""
    found = client.search_runs([experiment], f"tags.`{LIVE}` = 'true'", max_results=50_000)
    return {
        run.data.tags["sfsc.key"]: LiveRun(run.info.run_id, run.info.start_time) for run in found
    }


def _create_run(client: MlflowClient, experiment: str, folder: Path, key: str) -> LiveRun:
    """Make the run of a training that has just begun, its settings as parameters."""
    start = int(1000 * time.time())
    study, dataset, method, *rest = key.split("/")
    tags = {"study": study, "dataset": dataset, "method": method, "sfsc.key": key, LIVE: "true"}
    run = client.create_run(
        experiment,
        start_time=start,
        run_name="/".join([dataset, method, *rest]) + " (training)",
        tags={**tags, "seed": rest[0].removeprefix("seed")},
    )
    config = json.loads((folder / "config" / "train.json").read_text())["config"]
    client.log_batch(run.info.run_id, params=[Param(*item) for item in flatten(config)])
    LOGGER.info("following %s", key)
    return LiveRun(run.info.run_id, start)
