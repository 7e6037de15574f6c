"""Random embeddings and labels with the shapes of the paper's test splits."""

from typing import NamedTuple

import numpy as np

from sfsc.retrieval.relevance import Labels

DIMENSION = 512


class Size(NamedTuple):
    """Size of a data set's test split, without junk."""

    queries: int
    gallery: int
    identities: int
    cameras: int
    distractors: int


TRAINED = 2.0
"""Spread of a cluster that gives a mAP of about 0.85, as a standard network on Market-1501."""
UNTRAINED = 4.0
"""Spread that gives a mAP below 0.05: positives lie anywhere in the gallery, the slowest case."""
MARKET1501 = Size(3_368, 15_913, 750, 6, 2_798)
MSMT17 = Size(11_659, 82_161, 3_060, 15, 0)


class Cell(NamedTuple):
    """Input of one evaluation."""

    query: np.ndarray
    gallery: np.ndarray
    query_labels: Labels
    gallery_labels: Labels


def make_cell(size: Size, *, spread: float = TRAINED) -> Cell:
    """Return one cluster of embeddings per identity.

    Args:
        size: Size of the test split.
        spread: Width of the clusters, which sets the mAP: `TRAINED` or `UNTRAINED`.
    """
    generator = np.random.default_rng(0)
    labels = make_labels(generator, size)
    centres = make_centres(generator, size)
    return Cell(*(scatter(generator, of, centres, spread) for of in labels), *labels)


def make_labels(generator: np.random.Generator, size: Size) -> tuple[Labels, Labels]:
    """Return random labels of queries and gallery."""
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
