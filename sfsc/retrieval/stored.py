"""The file of a run's embeddings, read a sub-model at a time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from sfsc.data.manifest import Split
from sfsc.errors import ResultError
from sfsc.retrieval.products import Float32s


@dataclass(frozen=True)
class StoredSplit:
    """The embeddings of a split, (M, rows, D), of which each sub-model's are read when needed."""

    path: Path
    split: Split
    n_submodels: int

    def __len__(self) -> int:
        """Return the number of sub-models M."""
        return self.n_submodels

    def __getitem__(self, switch: int) -> Float32s:
        """Read the unit vectors of one sub-model, (rows, D).

        The file is opened anew: an open one keeps in memory what was read of it.
        """
        with _open(self.path) as file:
            vectors: Float32s = file.get_slice(self.split)[switch]
            return vectors


@dataclass(frozen=True)
class StoredEmbeddings:
    """The content of an `embeddings.safetensors`."""

    query: StoredSplit
    gallery: StoredSplit
    run: dict[str, object]
    """`dataset`, `method`, `seed` and `widths`."""


def load_embeddings(path: Path) -> StoredEmbeddings:
    """Read what there is to know of a run's embeddings, and none of them.

    Args:
        path: File written by `sfsc embed`.

    Raises:
        ResultError: If it is missing or damaged.
    """
    with _open(path) as file:
        run = json.loads(file.metadata()["run"])
        counts = [file.get_slice(split).get_shape()[0] for split in ("query", "gallery")]
    return StoredEmbeddings(
        StoredSplit(path, "query", counts[0]), StoredSplit(path, "gallery", counts[1]), run
    )


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Yield the open file; what goes wrong in the block is the file's fault."""
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ResultError(
            f"{path} must be a file written by `sfsc embed`. Found: {error}. Embed it again."
        ) from error
