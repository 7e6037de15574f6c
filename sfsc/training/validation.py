"""Validation on held-out training identities, the basis of all choices (DESIGN.md 6)."""

from dataclasses import dataclass
from typing import Protocol

import torch

from sfsc.data.prepared import PreparedSet
from sfsc.retrieval.embed import Embedder, extract_embeddings
from sfsc.retrieval.matrix import evaluate_matrix
from sfsc.retrieval.relevance import Labels


class ModalEmbedder(Embedder, Protocol):
    """A network with a training and an evaluation mode."""

    def eval(self) -> object:
        """Leave training mode."""
        ...


@dataclass(frozen=True)
class Validation:
    """Mean average precisions (step) on the validation identities, as fractions."""

    map: list[list[float]]
    """(M, M); rows: query sub-model, columns: gallery sub-model."""
    average_map: float
    """Mean over the matrix."""


def validate(network: ModalEmbedder, prepared: PreparedSet, device: torch.device) -> Validation:
    """Return the matrix of mean average precisions (step) on the validation identities.

    Every validation image is both query and gallery image. It is not compared with itself, because
    images of the same identity and camera are removed.

    Args:
        network: Left in evaluation mode.
        prepared: The data set.
        device: The network's device.
    """
    network.eval()
    manifest = prepared.manifest
    rows = manifest.rows("validation")
    embeddings = extract_embeddings(network, prepared.images, rows, device=device)
    labels = Labels(manifest.identity[rows], manifest.camera[rows])
    result = evaluate_matrix(embeddings, embeddings, labels, labels)
    return Validation(map=result.map_step.tolist(), average_map=result.average_map())
