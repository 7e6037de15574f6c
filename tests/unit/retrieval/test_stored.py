"""Reading one sub-model of stored embeddings."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sfsc.errors import ResultError
from sfsc.retrieval.stored import load_embeddings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two sub-models, 3 queries, 4 gallery images."""
    path = tmp_path / "embeddings.safetensors"
    values = np.arange(2 * 7 * 5, dtype=np.float32).reshape(2, 7, 5)
    save_file({"query": values[:, :3].copy(), "gallery": values[:, 3:].copy()}, path)
    return path


def test_one_submodel_is_read(path: Path):
    """The last one has the index -1, too."""
    assert np.array_equal(load_embeddings(path, "query", 0), np.arange(15.0).reshape(3, 5))
    last = load_embeddings(path, "gallery", -1)
    assert np.array_equal(last, np.arange(50.0, 70.0).reshape(4, 5))
    assert last.dtype == np.float32


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_damaged_embeddings_are_refused(damage: str, path: Path):
    """One sentence with the file's name and the mend."""
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(
        ResultError,
        match=r"must be a file written by `sfsc evaluate`\. Found: .*\. Evaluate the run again\.$",
    ):
        load_embeddings(path, "query", 0)
