"""Reads the embeddings of one sub-model from the file of a run."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from sfsc.data.manifest import Split
from sfsc.errors import ResultError
from sfsc.retrieval.arrays import Float32s


def load_embeddings(path: Path, split: Split, switch: int) -> Float32s:
    """Read the unit vectors of a split in one sub-model, (rows, D), and nothing else of the file.

    Args:
        path: An `embeddings.safetensors`.
        split: `query` or `gallery`.
        switch: Index of the sub-model; -1 is the full one.

    Raises:
        ResultError: If the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            vectors: Float32s = file.get_slice(split)[switch]
            return vectors
    except (OSError, SafetensorError) as error:
        raise ResultError(
            f"{path} must be a file written by `sfsc evaluate`. Found: {error}. Evaluate the run "
            "again."
        ) from error
