"""The pipeline notices, without importing mlflow, that a store has lost its runs."""

import contextlib
import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sfsc.tracking.stamp import is_stale, page_of_experiment, pages_of_database, write_stamp
from sfsc.tracking.store import MlflowClient, connect, experiment_of

STAMP = Path("mlflow.json")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(run: str, **more: str) -> None:
    """Write the stamp of a complete mirror of one run."""
    write_stamp(STAMP, {"status": "ok", "mlflow_runs": {"toy/a/b/seed0": run}, **more})


class TestDatabase:
    """The default store."""

    @pytest.fixture
    def client(self, database: Path) -> MlflowClient:
        """A client of the working directory's store."""
        shutil.copy(database, "mlflow.db")
        return connect(None)

    @pytest.fixture
    def run(self, client: MlflowClient) -> str:
        """A run that the stamp names."""
        run = client.create_run(experiment_of(client, "sfsc/toy", None)).info.run_id
        write(run, database="mlflow.db")
        return str(run)

    def test_a_store_that_has_the_runs_is_not_stale(self, run: str, client: MlflowClient):
        """It becomes stale when the run is deleted."""
        assert not is_stale(STAMP, "")
        client.delete_run(run)
        assert is_stale(STAMP, "")

    @pytest.mark.usefixtures("run")
    def test_another_database_of_the_same_name_is_noticed(self, database: Path):
        """The old database was deleted and another study created a new one."""
        shutil.copy(database, "mlflow.db")
        assert is_stale(STAMP, "")

    @pytest.mark.usefixtures("run")
    def test_a_missing_or_damaged_database_is_noticed(self):
        """Neither contains the run."""
        Path("mlflow.db").write_text("not a database, and longer than the header of one" * 20)
        assert is_stale(STAMP, "")
        Path("mlflow.db").unlink()
        assert is_stale(STAMP, "")

    @pytest.mark.usefixtures("run")
    def test_a_locked_database_gets_the_benefit_of_the_doubt(self):
        """A writer will release the lock."""
        with contextlib.closing(sqlite3.connect("mlflow.db")) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert not is_stale(STAMP, "")


@pytest.mark.parametrize(
    ("status", "answer", "stale"),
    [
        (200, {"run": {"info": {"lifecycle_stage": "active"}}}, False),
        (200, {"run": {"info": {"lifecycle_stage": "deleted"}}}, True),
        (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"}, True),
        (401, {}, False),
        (500, {}, False),
        (200, ["no run"], False),
    ],
)
def test_a_server_is_asked_for_a_run(status: int, answer: object, stale: bool):
    """It is stale only if the server answers that it has no such run."""
    write("abc")
    with server(status, answer) as (uri, paths):
        assert is_stale(STAMP, uri) is stale
    assert paths == ["/api/2.0/mlflow/runs/get?run_id=abc"]


@contextlib.contextmanager
def server(status: int, answer: object) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server with this answer, and the paths requested."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer."""
            paths.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_port}/", paths
        finally:
            listener.shutdown()
            thread.join()


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "http://user:word@", "databricks"])
def test_a_server_that_does_not_answer_is_not_stale(uri: str):
    """An outage does not make the stamp stale."""
    write("abc")
    assert not is_stale(STAMP, uri)


def test_an_incomplete_mirror_is_stale_and_an_empty_one_is_not():
    """The next run of the pipeline repeats a deferred mirror."""
    write_stamp(STAMP, {"status": "deferred", "reason": "down"})
    assert is_stale(STAMP, "")
    write_stamp(STAMP, {"status": "ok", "mlflow_runs": {}, "database": "mlflow.db"})
    assert not is_stale(STAMP, "")


@pytest.mark.parametrize(
    ("uri", "page"),
    [
        ("", "make ui, then http://127.0.0.1:5000/#/experiments/7?workflowType=machine_learning"),
        ("http://host/", "http://host/#/experiments/7?workflowType=machine_learning"),
    ],
)
def test_the_page_of_a_mirrored_study_is_known(uri: str, page: str):
    """The page lists trainings; a local store needs the command that serves it."""
    write("a", experiment="7")
    assert page_of_experiment(STAMP, uri) == page


def test_a_mirror_that_waits_has_no_page():
    """There is nothing to see yet."""
    write_stamp(STAMP, {"status": "deferred", "reason": "down"})
    assert page_of_experiment(STAMP, "") is None


def test_the_pages_of_make_ui_are_known(tmp_path: Path):
    """One for each study that is in the default database."""
    for study, content in {
        "b": {"experiment": "2", "database": "mlflow.db"},
        "a": {"experiment": "1", "database": "mlflow.db"},
        "elsewhere": {"experiment": "3"},
    }.items():
        (tmp_path / study).mkdir()
        write_stamp(tmp_path / study / "mlflow.json", {"status": "ok", **content})
    (tmp_path / "waits").mkdir()
    write_stamp(tmp_path / "waits" / "mlflow.json", {"status": "deferred", "reason": "down"})
    assert list(pages_of_database(tmp_path, "5001")) == [
        "a: http://127.0.0.1:5001/#/experiments/1?workflowType=machine_learning",
        "b: http://127.0.0.1:5001/#/experiments/2?workflowType=machine_learning",
    ]
