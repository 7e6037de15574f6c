"""Workspaces in which the pipeline runs, and one in which it has run."""

from pathlib import Path

import pytest

from workspaces import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace in which nothing was made yet."""
    return Workspace.make(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose study is complete; not to be changed."""
    workspace = Workspace.make(tmp_path_factory.mktemp("finished"))
    result = workspace.run("--", "all")
    assert result.returncode == 0, result.stdout
    return workspace


@pytest.fixture
def changed(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished workspace, to be changed."""
    return finished.copy(tmp_path)
