"""The frozen full network that a one-to-one method makes its networks compatible with."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sfsc.errors import ResultError
from sfsc.losses.term import Target
from sfsc.networks.build import load_network
from sfsc.retrieval.embed import Embedder
from sfsc.training.model import CLASSIFIER


@dataclass(frozen=True)
class Reference:
    """A trained network and its classifier, both frozen."""

    network: Embedder
    """In evaluation mode; its last sub-model is the reference."""
    classifier: Tensor
    """(C, D)."""

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Target:
        """Return the target for a batch of images, (B, C, H, W)."""
        embedding = self.network(images, len(self.network.widths) - 1).embedding
        return Target(embedding, self.classifier)


def load_reference(
    folder: Path, *, identities: int, embedding_dim: int, device: torch.device
) -> Reference:
    """Load the reference from the folder of a finished training.

    Args:
        folder: Holds `run.json` and `model.safetensors`.
        identities: C of the training that uses the reference.
        embedding_dim: D of that training.
        device: Device of that training.

    Raises:
        ResultError: If a file is missing or damaged, or its classifier is of another shape.
    """
    network = load_network(folder).to(device)
    path = folder / "model.safetensors"
    try:
        classifier = load_file(path)[CLASSIFIER]
    except (OSError, KeyError, SafetensorError) as error:
        raise ResultError(
            f"{path} must hold the classifier of a finished training. Found: {error!r}. Train it "
            "again."
        ) from error
    if classifier.shape != (identities, embedding_dim):
        raise ResultError(
            "The reference must be trained on the same identities, with embeddings of the same "
            f"dimension: a classifier of shape {(identities, embedding_dim)}. Found "
            f"{tuple(classifier.shape)} in {path}."
        )
    return Reference(network, classifier.to(device))
