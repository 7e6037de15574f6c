"""A made-up study, read by many tests."""

from pathlib import Path

import pytest
from result_files import write_prepared, write_study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Run folders of five methods with two seeds each; not to be changed."""
    root = tmp_path_factory.mktemp("results") / "toy"
    return write_study(root, seeds=2, steps=60)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set; not to be changed."""
    return write_prepared(tmp_path_factory.mktemp("data") / "synthetic")
