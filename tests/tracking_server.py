"""A real tracking server of MLflow on a PostgreSQL cluster of its own, both on loopback ports."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg2

SECONDS_TO_START = 600.0
"""At most; seconds on a machine that has nothing else to do."""


def find_postgresql() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`, which Debian keeps out of PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    found = next(iter(installed), None) or shutil.which("initdb")
    return Path(found).parent if found else None


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Postgres:
    """A cluster of databases in a folder; it runs as user `postgres` where the test is root.

    Args:
        folder: Empty; its parents must be open to that user.
    """

    def __init__(self, folder: Path) -> None:
        binaries = find_postgresql()
        assert binaries, "no PostgreSQL; the test must skip"
        self.binaries, self.folder, self.port = binaries, folder, free_port()
        self._user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(folder, **self._user)

    @contextlib.contextmanager
    def running(self) -> Iterator["Postgres"]:
        """Make the cluster, start it and stop it at the end."""
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", "sfsc", "--auth=trust", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        self._run("pg_ctl", "-D", data, "-l", f"{self.folder}/log", "-w", "-o", options, "start")
        try:
            yield self
        finally:
            self._run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")

    def recreate(self, database: str) -> None:
        """Make a database, empty; one of that name is dropped, whoever is connected to it."""
        where = {"host": "127.0.0.1", "port": self.port, "user": "sfsc", "dbname": "postgres"}
        with contextlib.closing(psycopg2.connect(**where)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {database}")

    def _run(self, program: str, *arguments: str) -> None:
        # To a file: the server would keep a pipe open that `pg_ctl` leaves to it.
        with (self.folder / "output").open("ab") as output:
            subprocess.run(
                [self.binaries / program, *arguments],
                check=True, cwd=self.folder, stdout=output, stderr=output, **self._user,
            )  # fmt: skip


class TrackingServer:
    """`mlflow server` as the leader of a session of its own.

    Args:
        postgres: The running cluster that has its database.
        folder: For its artifacts and its log.
        database: Made anew.
    """

    def __init__(self, postgres: Postgres, folder: Path, database: str = "mlflow") -> None:
        self.postgres, self.folder, self.database = postgres, folder, database
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        postgres.recreate(database)

    def start(self) -> None:
        """Start the server and wait until it answers; one that is killed finds its data again."""
        store = f"postgresql+psycopg2://sfsc@127.0.0.1:{self.postgres.port}/{self.database}"
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1",
            "--port", str(self.port), "--workers", "1", "--backend-store-uri", store,
            "--artifacts-destination", str(self.folder / "artifacts"),
        ]  # fmt: skip
        tools = ("MLFLOW_", "PYTEST_")
        variables = {k: v for k, v in os.environ.items() if not k.startswith(tools)} | {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=variables, cwd=self.folder, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + SECONDS_TO_START
        while not self.answers():
            assert self._process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)

    def hang(self) -> None:
        """Stop every process of the server: connections are taken and not answered."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Continue a server that hangs."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill every process of the server at once."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def lose_everything(self) -> None:
        """Drop the database, make an empty one and start the server on it."""
        self.kill()
        self.postgres.recreate(self.database)
        self.start()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        os.killpg(self._process.pid, number)

    def answers(self) -> bool:
        """Return whether the server is there and well."""
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as response:  # noqa: S310
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


@contextlib.contextmanager
def tracking_server() -> Iterator[TrackingServer]:
    """Yield a server that answers; the cluster, the artifacts and all processes go at the end."""
    # Not in pytest's folder, which is closed to the user `postgres`.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("postgres", "mlflow"):
            (folder / part).mkdir()
        with Postgres(folder / "postgres").running() as postgres:
            server = TrackingServer(postgres, folder / "mlflow")
            try:
                server.start()
                yield server
            finally:
                server.kill()
