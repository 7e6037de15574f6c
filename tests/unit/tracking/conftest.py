"""An empty store, made once."""

from pathlib import Path

import pytest

from sfsc.tracking.store import connect


@pytest.fixture(autouse=True)
def _no_tracking_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own store is not touched."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store; MLflow takes seconds to make its tables."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        connect(None)
    return folder / "mlflow.db"
