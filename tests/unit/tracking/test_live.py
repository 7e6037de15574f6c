"""MLflow shows complete curves while a training runs, through any outage of the store."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from sfsc.tracking import live
from sfsc.tracking.live import Follower, follow
from sfsc.tracking.mirror import mirror
from sfsc.tracking.store import MlflowClient
from sfsc.tracking.streams import identity_of, read_new

STUDY = Path("results/toy")
FOLDER = STUDY / "synthetic/sfsc/seed0"
STREAM = FOLDER / "checkpoints/stream.jsonl"


def record(step: int) -> dict[str, object]:
    """Return the record of one step of a training with two sub-models."""
    return {
        "step": step, "epoch": step // 10, "learning_rate": 0.1, "loss": [2.0 + step, 1.0],
        "cosine_nested": [[0, 1, -0.5]], "cosine_layer": {"stem": [[0, 1, 0.5]]},
    }  # fmt: skip


def write(*records: dict[str, object], mode: str = "a") -> None:
    """Append records to the stream."""
    STREAM.parent.mkdir(parents=True, exist_ok=True)
    with STREAM.open(mode) as file:
        file.writelines(f"{json.dumps(r)}\n" for r in records)


@pytest.fixture(autouse=True)
def _study(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with a store and a training that has just begun."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(database, "mlflow.db")
    config = FOLDER / "config" / "train.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"config": {"train": {"epochs": 4}}, "code": ""}))


def store() -> MlflowClient:
    """Return a client of the working directory's store."""
    return MlflowClient(tracking_uri=f"sqlite:///{Path('mlflow.db').resolve()}")


def the_run() -> Run:
    """Return the one live run."""
    (run,) = store().search_runs([store().get_experiment_by_name("sfsc/toy").experiment_id])
    return run


def shown() -> dict[str, list[tuple[int, float]]]:
    """Return the curves of the one live run: steps and values by metric."""
    run = the_run()
    histories = {n: store().get_metric_history(run.info.run_id, n) for n in run.data.metrics}
    return {name: [(p.step, p.value) for p in points] for name, points in histories.items()}


def test_a_stream_is_a_run_with_its_curves():
    """Each sub-model or pair has a curve; tags identify the run as live."""
    write(record(0), record(1))
    follower = Follower(STUDY, None)
    follower.advance()
    write(record(2), {"epoch": 1, "map": [[0.5]], "average_map": 0.5})
    follower.advance()
    assert shown() == {
        "learning_rate": [(0, 0.1), (1, 0.1), (2, 0.1)],
        "loss/switch0": [(0, 2.0), (1, 3.0), (2, 4.0)],
        "loss/switch1": [(0, 1.0), (1, 1.0), (2, 1.0)],
        "cosine_nested/switch0_switch1": [(0, -0.5), (1, -0.5), (2, -0.5)],
        "validation/average_map": [(1, 0.5)],
    }
    run = the_run()
    assert run.info.run_name == "synthetic/sfsc/seed0 (training)"
    assert run.info.status == "RUNNING"
    assert run.data.params == {"train.epochs": "4"}
    identity = identity_of(STREAM)
    assert identity
    tags = {"study": "toy", "method": "sfsc", "seed": "0", "sfsc.live": identity}
    assert tags.items() <= run.data.tags.items()


def test_a_half_written_record_waits():
    """Only complete lines are read."""
    write(record(0))
    with STREAM.open("a") as file:
        file.write('{"step": 1, "ep')
    follower = Follower(STUDY, None)
    follower.advance()
    assert shown()["learning_rate"] == [(0, 0.1)]
    with STREAM.open("a") as file:
        file.write('och": 0, "learning_rate": 0.2}\n')
    follower.advance()
    assert shown()["learning_rate"] == [(0, 0.1), (1, 0.2)]


def test_a_resumed_training_is_shown_once():
    """The stream is truncated to a checkpoint and grows again with the same records."""
    write(*map(record, range(5)))
    follower = Follower(STUDY, None)
    follower.advance()
    write(*map(record, range(2)), mode="w")
    follower.advance()
    write(*map(record, range(2, 7)))
    follower.advance()
    assert [step for step, _ in shown()["learning_rate"]] == list(range(7))


def test_another_follower_goes_on():
    """A restarted follower shows every point once, in the same run."""
    write(record(0), record(1))
    Follower(STUDY, None).advance()
    write(record(2))
    Follower(STUDY, None).advance()
    assert [step for step, _ in shown()["loss/switch0"]] == [0, 1, 2]


def test_an_outage_loses_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """Points are sent when the store is back; the outage logs two lines."""
    caplog.set_level("INFO")
    write(record(0))
    calls = iter(["up", "down", "down", "up"])
    working = MlflowClient.log_batch

    def log_batch(*arguments: object, **settings: object) -> object:
        """Fail as if the server were down."""
        if state == "down":
            raise MlflowException("API request to http://host failed")
        return working(*arguments, **settings)

    monkeypatch.setattr(live.MlflowClient, "log_batch", log_batch)
    state = next(calls)
    follow_steps = iter(range(1, 4))

    def stop(seconds: float) -> bool:
        """Go on to the next state with a new record."""
        nonlocal state
        assert seconds == 0.5
        step = next(follow_steps, None)
        if step is None:
            return True
        state = next(calls)
        write(record(step))
        return False

    follow(STUDY, None, seconds=0.5, stop=stop)
    assert [step for step, _ in shown()["loss/switch1"]] == [0, 1, 2, 3]
    lines = [r.message for r in caplog.records if "MLflow" in r.message]
    assert lines == [
        "MLflow does not answer: API request to http://host failed",
        "MLflow answers again; nothing is lost.",
    ]


def test_a_deleted_run_is_made_again():
    """A run deleted in the browser is created again with all its points."""
    write(record(0), record(1))
    follower = Follower(STUDY, None)
    follower.advance()
    deleted = the_run().info.run_id
    store().delete_run(deleted)
    follower.advance()
    write(record(2))
    follower.advance()
    assert the_run().info.run_id != deleted
    assert [step for step, _ in shown()["loss/switch0"]] == [0, 1, 2]


def test_a_run_that_is_deleted_in_between_is_made_again(monkeypatch: pytest.MonkeyPatch):
    """The store lists the run and refuses its points a moment later."""
    write(record(0))
    follower = Follower(STUDY, None)
    follower.advance()
    asked = live._known_runs

    def delete_after(*arguments: object) -> object:
        """Delete the run after it has been listed."""
        known = asked(*arguments)
        monkeypatch.setattr(live, "_known_runs", asked)
        store().delete_run(the_run().info.run_id)
        return known

    monkeypatch.setattr(live, "_known_runs", delete_after)
    write(record(1))
    follower.advance()
    assert [step for step, _ in shown()["loss/switch0"]] == [0, 1]


def test_a_deleted_database_is_made_again():
    """The database file is deleted meanwhile; the new one has all points."""
    write(record(0))
    follower = Follower(STUDY, None)
    follower.advance()
    Path("mlflow.db").unlink()
    write(record(1))
    follower.advance()
    assert [step for step, _ in shown()["loss/switch0"]] == [0, 1]


def test_a_training_that_begins_anew_differently_is_another_run():
    """No follower mixes its points with those of other settings or data."""
    write(record(0), record(1))
    follower = Follower(STUDY, None)
    follower.advance()
    first = the_run().info.run_id
    write({**record(0), "loss": [9.0, 9.0]}, mode="w")
    follower.advance()
    second = the_run().info.run_id
    assert shown()["loss/switch0"] == [(0, 9.0)]
    (FOLDER / "config/train.json").write_text('{"config": {"train": {"epochs": 5}}, "code": ""}')
    Follower(STUDY, None).advance()
    assert the_run().data.params == {"train.epochs": "5"}
    assert len({first, second, the_run().info.run_id}) == 3


def test_the_mirror_leaves_a_training_in_progress_alone():
    """The mirror keeps live runs of running trainings and deletes those of finished ones."""
    write(record(0))
    Follower(STUDY, None).advance()
    before = the_run().info.run_id
    mirror(STUDY, Path("reports/toy"), STUDY / "mlflow.json", None)
    assert the_run().info.run_id == before
    shutil.rmtree(STREAM.parent)
    mirror(STUDY, Path("reports/toy"), STUDY / "mlflow.json", None)
    experiment = store().get_experiment_by_name("sfsc/toy").experiment_id
    assert store().search_runs([experiment]) == []


def test_a_killed_training_that_was_over_is_not_followed():
    """It has written `run.json` and not yet removed its stream."""
    write(record(0))
    follower = Follower(STUDY, None)
    follower.advance()
    (FOLDER / "run.json").write_text("{}")
    follower.advance()
    follower.advance()
    assert the_run().info.status == "FINISHED"


def test_a_finished_training_ends_its_run():
    """`run.json` exists and the stream is gone."""
    write(record(0))
    follower = Follower(STUDY, None)
    follower.advance()
    shutil.rmtree(STREAM.parent)
    (FOLDER / "run.json").write_text("{}")
    follower.advance()
    assert the_run().info.status == "FINISHED"


def test_a_network_of_one_width_is_a_run_of_its_own():
    """`<run>/seed<k>/width<w>` is a training."""
    network = STUDY / "synthetic/bct/seed1/width0.5"
    (network / "config").mkdir(parents=True)
    shutil.copy(FOLDER / "config" / "train.json", network / "config")
    (network / "checkpoints").mkdir()
    (network / "checkpoints" / "stream.jsonl").write_text(json.dumps(record(0)) + "\n")
    Follower(STUDY, None).advance()
    run = the_run()
    assert run.info.run_name == "synthetic/bct/seed1/width0.5 (training)"
    assert run.data.tags["sfsc.key"] == "toy/synthetic/bct/seed1/width0.5"


def test_nothing_to_follow_needs_no_store():
    """Before the first training, MLflow is not contacted."""
    Follower(STUDY, "http://127.0.0.1:9").advance()


def test_a_stream_that_was_cut_inside_a_record_is_read_anew(tmp_path: Path):
    """The offset is then not the start of a record."""
    stream = tmp_path / "stream.jsonl"
    stream.write_text('{"step": 10}\n{"step": 11}\n')
    assert read_new(stream, 13) == ([{"step": 11}], stream.stat().st_size)
    assert read_new(stream, 5) == ([{"step": 10}, {"step": 11}], stream.stat().st_size)
    assert read_new(tmp_path / "none", 7) == ([], 7)


def test_a_stream_without_a_whole_record_is_not_known_yet():
    """Without a complete record, a stream has no identity."""
    write(record(0))
    content = STREAM.read_bytes()
    STREAM.write_bytes(content[:-1])
    assert identity_of(STREAM) is None
    STREAM.unlink()
    assert identity_of(STREAM) is None


def test_a_cosine_that_is_no_number_is_no_point():
    """A sub-model without gradient has no cosine; neither has the finished run."""
    write({"step": 0, "epoch": 0, "cosine_nested": [[0, 1, float("nan")], [0, 2, 0.5]]})
    Follower(STUDY, None).advance()
    assert shown() == {"cosine_nested/switch0_switch2": [(0, 0.5)]}
