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

from sfsc.allocator import keep_freed_memory
from sfsc.data.packed import read_images
from sfsc.data.prepared import PreparedSet
from sfsc.data.transforms import to_float
from sfsc.determinism import make_deterministic
from sfsc.errors import ResultError
from sfsc.files import replacing
from sfsc.networks.build import load_network
from sfsc.networks.switchable import Embeddings
from sfsc.retrieval.ranking import Float32s, Integers
from sfsc.timing import useful

BATCH_IMAGES = 256


class Embedder(Protocol):
    """What a network must offer to be embedded with."""

    widths: tuple[float, ...]

    def __call__(self, images: Tensor, switch: int) -> Embeddings:
        """Embed (B, C, H, W) images in sub-model `switch`."""
        ...


def embed(run_dir: Path, data_dir: Path, output: Path, *, threads: int) -> None:
    """Write the embeddings of the query and gallery splits.

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
    make_deterministic(threads)
    prepared = PreparedSet.open(data_dir)
    network = load_network(run_dir)
    metadata = _read_metadata(run_dir / "run.json")
    with useful():
        tensors = {
            split: extract_embeddings(network, prepared.images, prepared.manifest.rows(split))
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
) -> Float32s:
    """Return the unit-length embeddings after the neck of some images in every sub-model.

    Args:
        network: In evaluation mode.
        images: uint8, (N, H, W, C); may be memory-mapped.
        rows: Indices of the images to embed.
        batch_images: Images embedded at once.

    Returns:
        Shape (M, len(rows), D).
    """
    batches = []
    for start in range(0, len(rows), batch_images):
        batch = to_float(read_images(images, rows[start : start + batch_images]))
        embeddings = [network(batch, switch).embedding for switch in range(len(network.widths))]
        batches.append(functional.normalize(torch.stack(embeddings), dim=-1))  # (M, B, D)
    joined: Float32s = torch.cat(batches, dim=1).numpy()
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
