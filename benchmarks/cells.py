"""Embeddings and labels of the shapes of the paper's test splits, made up."""

from typing import NamedTuple

import numpy as np

from sfsc.retrieval.relevance import Labels

DIMENSION = 512


class Size(NamedTuple):
    """Of a data set's test split; junk is dropped before these counts."""

    queries: int
    gallery: int
    identities: int
    cameras: int
    distractors: int


TRAINED = 2.0
"""Spread of a cluster for a mAP of about 0.85, a standard network's on Market-1501."""
UNTRAINED = 4.0
"""For a mAP below 0.05: positives anywhere in the gallery, the hardest case for counting."""
MARKET1501 = Size(3_368, 15_913, 750, 6, 2_798)
MSMT17 = Size(11_659, 82_161, 3_060, 15, 0)


class Cell(NamedTuple):
    """Input of one evaluation."""

    query: np.ndarray
    gallery: np.ndarray
    query_labels: Labels
    gallery_labels: Labels


def make_cell(size: Size, *, spread: float = TRAINED) -> Cell:
    """Return clusters by identity, their width such that mAP is what `spread` says."""
    generator = np.random.default_rng(0)
    labels = make_labels(generator, size)
    centres = make_centres(generator, size)
    return Cell(*(scatter(generator, of, centres, spread) for of in labels), *labels)


def make_labels(generator: np.random.Generator, size: Size) -> tuple[Labels, Labels]:
    """Return the labels of queries and gallery."""
    owners = generator.integers(0, size.identities, size.gallery)
    owners[: size.distractors] = size.identities + np.arange(size.distractors)
    generator.shuffle(owners)
    searched = generator.integers(0, size.identities, size.queries)
    cameras = (generator.integers(0, size.cameras, len(of)) for of in (searched, owners))
    query, gallery = map(Labels, (searched, owners), cameras)
    return query, gallery


def make_centres(generator: np.random.Generator, size: Size) -> np.ndarray:
    """Return the centre of each identity's cluster, (identities, D)."""
    shape = (size.identities + size.distractors, DIMENSION)
    return generator.standard_normal(shape, dtype=np.float32)


def scatter(
    generator: np.random.Generator, labels: Labels, centres: np.ndarray, spread: float
) -> np.ndarray:
    """Return unit vectors around the centres of their identities, (rows, D)."""
    shape = (len(labels.identity), DIMENSION)
    points = generator.standard_normal(shape, dtype=np.float32)
    points *= spread
    points += centres[labels.identity]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points
