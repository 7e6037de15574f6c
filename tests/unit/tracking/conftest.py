"""An empty store, created once per session."""

from pathlib import Path

import pytest

from sfsc.tracking.store import connect


def forget_store(patch: pytest.MonkeyPatch) -> None:
    """Unset the variable, also after the test: MLflow sets it for its subprocesses."""
    patch.setenv("MLFLOW_TRACKING_URI", "")
    patch.delenv("MLFLOW_TRACKING_URI")


@pytest.fixture(autouse=True)
def _no_tracking_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protect the developer's own store."""
    forget_store(monkeypatch)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store; MLflow takes seconds to create its tables."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        forget_store(patch)
        connect(None)
    return folder / "mlflow.db"
