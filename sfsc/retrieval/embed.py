"""Embeddings of images in every sub-model."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sfsc.data.packed import read_images
from sfsc.data.transforms import to_float
from sfsc.networks.switchable import Embeddings
from sfsc.retrieval.arrays import Float32s, Integers

BATCH_IMAGES = 256
CPU = torch.device("cpu")


class Embedder(Protocol):
    """A network that embeds images in each of its sub-models."""

    widths: tuple[float, ...]

    def __call__(self, images: Tensor, switch: int) -> Embeddings:
        """Embed (B, C, H, W) images in sub-model `switch`."""
        ...


@torch.inference_mode()
def extract_embeddings(
    network: Embedder,
    images: NDArray[np.uint8],
    rows: Integers,
    *,
    batch_images: int = BATCH_IMAGES,
    device: torch.device = CPU,
) -> Float32s:
    """Return the unit-length embeddings, after the neck, of some images in every sub-model.

    Memory: the result and one batch.

    Args:
        network: In evaluation mode.
        images: uint8, (N, H, W, C); may be memory-mapped.
        rows: Indices of the images to embed.
        batch_images: Images embedded at once.
        device: Device of the network.

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
