"""The stage `sfsc embed`: every test image through every sub-model, once (DESIGN.md 3)."""

import json
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor
from torch.nn import functional

from sfsc.compute import best_device, keep_freed_memory, make_deterministic, timed
from sfsc.data.packed import read_images
from sfsc.data.prepared import PreparedSet
from sfsc.data.transforms import to_float
from sfsc.errors import ResultError
from sfsc.files import replacing
from sfsc.networks.build import load_network
from sfsc.networks.switchable import Embeddings
from sfsc.retrieval.products import Float32s, Integers

BATCH_IMAGES = 256
CPU = torch.device("cpu")


class Embedder(Protocol):
    """What a network must offer to be embedded with."""

    widths: tuple[float, ...]

    def __call__(self, images: Tensor, switch: int) -> Embeddings:
        """Embed (B, C, H, W) images in sub-model `switch`."""
        ...


def embed(run_dir: Path, data_dir: Path, output: Path, *, threads: int) -> None:
    """Write the embeddings of the query and gallery splits; on a GPU where there is one.

    The file holds `query` (M, Q, D) and `gallery` (M, G, D), float32 unit vectors in the order of
    the manifest; its metadata names the run.

    Args:
        run_dir: Folder of a finished training.
        data_dir: Prepared set that the run was trained on.
        output: The safetensors file.
        threads: Threads of torch's operators.

    Raises:
        ResultError: If the run is damaged or does not fit the set.
        DataError: If the prepared set is damaged.
    """
    keep_freed_memory()
    device = best_device()
    make_deterministic(threads, device)
    prepared = PreparedSet.open(data_dir)
    network = load_network(run_dir).to(device)
    metadata = _read_metadata(run_dir / "run.json")
    with timed("embedding"):
        tensors = {
            split: extract_embeddings(
                network, prepared.images, prepared.manifest.rows(split), device=device
            )
            for split in ("query", "gallery")
        }
    with replacing(output) as temporary:
        save_file(tensors, temporary, metadata=metadata)


@torch.inference_mode()
def extract_embeddings(
    network: Embedder,
    images: NDArray[np.uint8],
    rows: Integers,
    *,
    batch_images: int = BATCH_IMAGES,
    device: torch.device = CPU,
) -> Float32s:
    """Return the unit-length embeddings after the neck of some images in every sub-model.

    Memory: that of the result and of one batch.

    Args:
        network: In evaluation mode.
        images: uint8, (N, H, W, C); may be memory-mapped.
        rows: Indices of the images to embed.
        batch_images: Images embedded at once.
        device: Of the network.

    Returns:
        Shape (M, len(rows), D).

    Raises:
        ValueError: If there are no rows.
    """
    joined: Float32s | None = None
    for start in range(0, len(rows), batch_images):
        batch = to_float(read_images(images, rows[start : start + batch_images]), device)
        for switch in range(len(network.widths)):
            vectors = functional.normalize(network(batch, switch).embedding, dim=-1)  # (B, D)
            if joined is None:  # only now is D known
                joined = np.empty((len(network.widths), len(rows), vectors.shape[1]), np.float32)
            joined[switch, start : start + batch_images] = vectors.numpy(force=True)
    if joined is None:
        raise ValueError("There must be images to embed. Found none.")
    return joined


def _read_metadata(path: Path) -> dict[str, str]:
    """Return what later stages must know of the run.

    One key, as safetensors writes several in no fixed order: the file would differ between runs.
    """
    try:
        run = json.loads(path.read_text())
        return {
            "run": json.dumps({key: run[key] for key in ("dataset", "method", "seed", "widths")})
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(
            f"{path} must be the record of a finished training. Found: {error!r}. Train it again."
        ) from error
