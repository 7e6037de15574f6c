"""Workspaces in which the pipeline runs, and one in which it has run."""

import os
from pathlib import Path

import pytest
from filelock import FileLock

from workspaces import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace in which nothing was made yet."""
    return Workspace.make(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose study is complete; not to be changed. The workers of a session share it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    done = shared.with_suffix(".done")
    with FileLock(shared.with_suffix(".lock")):
        if done.exists():
            return Workspace(shared)
        workspace = Workspace.make(shared)
        result = workspace.run("--", "all")
        assert result.returncode == 0, result.stdout
        done.touch()
    return workspace


@pytest.fixture
def changed(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished workspace, to be changed."""
    return finished.copy(tmp_path)
