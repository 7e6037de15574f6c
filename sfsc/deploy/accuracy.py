"""mAP over a test set from exported files alone."""

import numpy as np
from numpy.typing import NDArray

from sfsc.data.manifest import Split
from sfsc.data.packed import read_images
from sfsc.data.prepared import PreparedSet
from sfsc.deploy.model import BATCH, OnnxEmbedder
from sfsc.retrieval.matrix import evaluate_matrix
from sfsc.retrieval.metrics import Definition
from sfsc.retrieval.relevance import Labels


def embed_split(model: OnnxEmbedder, prepared: PreparedSet, split: Split) -> NDArray[np.float32]:
    """Return the unit embeddings of all images of a split, (N, D), in the manifest's order."""
    rows = prepared.manifest.rows(split)
    batches = np.split(rows, range(BATCH, len(rows), BATCH))
    return np.concatenate([model.embed(read_images(prepared.images, batch)) for batch in batches])


def mean_average_precision(
    query: NDArray[np.float32],
    gallery: NDArray[np.float32],
    prepared: PreparedSet,
    definition: Definition = "step",
) -> float:
    """Return the mAP of the test queries in the test gallery, a fraction.

    Args:
        query: Unit vectors of the query images, (Q, D).
        gallery: Unit vectors of the gallery images, (G, D).
        prepared: Their set.
        definition: Of average precision.
    """
    manifest = prepared.manifest
    labels = [
        Labels(manifest.identity[rows], manifest.camera[rows])
        for rows in (manifest.rows("query"), manifest.rows("gallery"))
    ]
    return evaluate_matrix(query[None], gallery[None], *labels).average_map(definition)
