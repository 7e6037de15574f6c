"""The tracking store: how to reach it, and the experiment of a study."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

# MLflow reads these when it is imported. The user's own values win.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no connection that nobody asked for
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the default blocks for 4 minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")  # seconds
# A pooled connection would go on writing to a database file that has been deleted.
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
"""Errors of a store that is down, hangs or is locked; `raise_unless_down` sorts out refusals."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, after waiting for other processes; the system frees it in any case.

    Args:
        path: The file; created with its folder, and kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def connect(uri: str | None) -> MlflowClient:
    """Return a client of a store.

    Args:
        uri: The tracking store; None is an SQLite database in the working directory, created if
            missing.
    """
    if uri is None and not _has_database():
        _make_database()
    address = uri or f"sqlite:///{DATABASE.resolve()}"
    mlflow.set_tracking_uri(address)  # the model registry ignores the client's own address
    return MlflowClient(tracking_uri=address)


def _has_database() -> bool:
    """Return whether the database exists; a failed connection leaves an empty file."""
    return DATABASE.exists() and DATABASE.stat().st_size > 0


def _make_database() -> None:
    """Create the default database, complete or not at all, and once if several processes need it.

    MLflow takes seconds to create its tables, fails if two processes create them at once, and
    cannot use a database whose creation was killed.
    """
    with locked(Path(f"{DATABASE}.lock")):
        if _has_database():
            return
        for killed in DATABASE.parent.glob(f"{DATABASE}.unfinished*"):
            killed.unlink()
        # A new name each time: MLflow remembers for which addresses it has created tables.
        unfinished = DATABASE.with_suffix(f".db.unfinished{time.time_ns()}")
        client = MlflowClient(tracking_uri=f"sqlite:///{unfinished.resolve()}")
        client.search_experiments(max_results=1)
        unfinished.replace(DATABASE)


def experiment_of(client: MlflowClient, name: str, uri: str | None) -> str:
    """Return the identifier of an experiment; create or restore it if necessary.

    Args:
        client: Client of the store.
        name: `sfsc/<study>`.
        uri: The tracking store, as for `connect`.
    """
    known = client.get_experiment_by_name(name)
    if known is not None:
        if known.lifecycle_stage == "deleted":
            client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)
    # A server knows where its artifacts go; those of a local database must be told.
    is_local = uri is None or uri.startswith("sqlite:")
    location = (ARTIFACTS.resolve() / name).as_uri() if is_local else None
    return str(client.create_experiment(name, artifact_location=location))


def is_refusal(error: Exception) -> bool:
    """Return whether the store has answered and refused the request.

    `BAD_REQUEST` is not a refusal: servers report trouble with their own database as such.

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
    """Turn a refusal into a `TrackingError`; return if the store is down and waiting may help.

    Args:
        error: One of `UNREACHABLE`.

    Raises:
        TrackingError: If the store has refused the request.
    """
    if is_refusal(error):
        raise TrackingError(
            "The tracking store must accept the study's runs. Found: "
            f"{str(error).splitlines()[0]} Check MLFLOW_TRACKING_URI or `--uri`."
        ) from error
