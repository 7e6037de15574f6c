"""A training, its export and its photographs, made once per session."""

from pathlib import Path

import pytest
from finished_trainings import write_photographs, write_training

from sfsc.deploy.export import export
from sfsc.deploy.model import OnnxEmbedder


@pytest.fixture(scope="session")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training of a switchable network."""
    return write_training(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def data(training: Path) -> Path:
    """Its prepared set."""
    return training.parents[4] / "data" / "prepared" / "tiny" / "synthetic"


@pytest.fixture(scope="session")
def exported(training: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its export, int8 files included."""
    folder = tmp_path_factory.mktemp("exported")
    export(training, folder, int8=True)
    return folder


@pytest.fixture
def small(exported: Path) -> OnnxEmbedder:
    """The small sub-model."""
    return OnnxEmbedder.load(exported / "width-0_25.onnx")


@pytest.fixture
def full(exported: Path) -> OnnxEmbedder:
    """The full model."""
    return OnnxEmbedder.load(exported / "width-1.onnx")


@pytest.fixture(scope="session")
def photographs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The gallery images of the test set as files."""
    return write_photographs(data, tmp_path_factory.mktemp("photographs"), "gallery")


@pytest.fixture(scope="session")
def queries(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The query images of the test set as files."""
    return write_photographs(data, tmp_path_factory.mktemp("queries"), "query")
