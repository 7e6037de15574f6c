"""The tracking store: how it is reached, and which experiment of it shows a study."""

import os
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

# MLflow reads these when it is imported. The user's own settings win.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no connection without being asked
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the default blocks for 4 minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")  # seconds

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


def connect(uri: str | None) -> MlflowClient:
    """Return a client of a store that answers.

    The default database is made under another name first: MLflow takes seconds to create its
    tables, and a database that was killed half-way stays unusable.

    Args:
        uri: The tracking store; None is an SQLite database in the working directory.
    """
    if uri is None and not DATABASE.exists():
        unfinished = DATABASE.with_suffix(".db.unfinished")
        unfinished.unlink(missing_ok=True)
        MlflowClient(tracking_uri=f"sqlite:///{unfinished.resolve()}").search_experiments(
            max_results=1
        )
        unfinished.replace(DATABASE)
    address = uri or f"sqlite:///{DATABASE.resolve()}"
    mlflow.set_tracking_uri(address)  # the model registry asks for it, not for the client's
    return MlflowClient(tracking_uri=address)


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


def raise_unless_down(error: Exception) -> None:
    """Refuse to wait where waiting does not mend it: the store answers, and refuses.

    Args:
        error: One of `UNREACHABLE`.

    Raises:
        TrackingError: If it is a refusal.
    """
    if isinstance(error, MlflowException) and error.error_code in {
        "INVALID_PARAMETER_VALUE",
        "RESOURCE_ALREADY_EXISTS",
        "BAD_REQUEST",
    }:
        raise TrackingError(
            "The tracking store must take the study's runs. Found: "
            f"{str(error).splitlines()[0]} Check MLFLOW_TRACKING_URI or `--uri`."
        ) from error
