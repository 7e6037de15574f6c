"""The tracking store: how it is reached, and which experiment of it shows a study."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

# MLflow reads these when it is imported. The user's own settings win.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no connection without being asked
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the default blocks for 4 minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")  # seconds
# A pooled connection would write to a database that is deleted, unseen.
os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # with emoji

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sfsc.errors import TrackingError

DATABASE = Path("mlflow.db")
ARTIFACTS = Path("mlartifacts")
BATCH = 1000
"""Metrics that MLflow accepts in one call."""
UNREACHABLE = (MlflowException, SQLAlchemyError, OSError)
"""What a store raises that is down, hangs or is locked; `raise_unless_down` tells misuse apart."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process holds a lock file, and hold it; it is freed however one ends.

    Args:
        path: The file; made with its folder, and it stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def connect(uri: str | None) -> MlflowClient:
    """Return a client of a store.

    Args:
        uri: The tracking store; None is an SQLite database in the working directory, which is made
            if it is missing.
    """
    if uri is None and not _has_database():
        _make_database()
    address = uri or f"sqlite:///{DATABASE.resolve()}"
    mlflow.set_tracking_uri(address)  # the model registry asks for it, not for the client's
    return MlflowClient(tracking_uri=address)


def _has_database() -> bool:
    """Return whether there is a database; SQLite leaves an empty file where it found none."""
    return DATABASE.exists() and DATABASE.stat().st_size > 0


def _make_database() -> None:
    """Make the default database, whole or not at all, once if several processes want it.

    MLflow takes seconds to create its tables, fails if another process creates them, too, and
    cannot use a database that was killed half-way.
    """
    with locked(Path(f"{DATABASE}.lock")):
        if _has_database():
            return
        for killed in DATABASE.parent.glob(f"{DATABASE}.unfinished*"):
            killed.unlink()
        # A new name each time: MLflow takes a database that it knows for one that has its tables.
        unfinished = DATABASE.with_suffix(f".db.unfinished{time.time_ns()}")
        client = MlflowClient(tracking_uri=f"sqlite:///{unfinished.resolve()}")
        client.search_experiments(max_results=1)
        unfinished.replace(DATABASE)


def experiment_of(client: MlflowClient, name: str, uri: str | None) -> str:
    """Return the identifier of a study's experiment, made if there is none.

    Args:
        client: Of the store.
        name: `sfsc/<study>`.
        uri: The tracking store, as `connect` takes it.
    """
    known = client.get_experiment_by_name(name)
    if known is not None:
        if known.lifecycle_stage == "deleted":
            client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)
    # A store elsewhere knows where its artifacts go; beside a local database it must be said.
    is_local = uri is None or uri.startswith("sqlite:")
    location = (ARTIFACTS.resolve() / name).as_uri() if is_local else None
    return str(client.create_experiment(name, artifact_location=location))


def is_refusal(error: Exception) -> bool:
    """Return whether a store answers, and refuses.

    `BAD_REQUEST` is none: so a server calls any trouble that it has with its own database.

    Args:
        error: One of `UNREACHABLE`.
    """
    return isinstance(error, MlflowException) and error.error_code in {
        "INVALID_PARAMETER_VALUE",
        "PERMISSION_DENIED",
        "RESOURCE_ALREADY_EXISTS",
        "UNAUTHENTICATED",
    }


def raise_unless_down(error: Exception) -> None:
    """Refuse to wait where waiting does not mend it.

    Args:
        error: One of `UNREACHABLE`.

    Raises:
        TrackingError: If it is a refusal.
    """
    if is_refusal(error):
        raise TrackingError(
            "The tracking store must take the study's runs. Found: "
            f"{str(error).splitlines()[0]} Check MLFLOW_TRACKING_URI or `--uri`."
        ) from error
