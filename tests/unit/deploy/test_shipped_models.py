"""The exported sub-models in models/vehicles work as they are."""

import re
from pathlib import Path

import numpy as np
import pytest

from sfsc.data.sets.synthetic import choose_cameras, render_identity
from sfsc.deploy.model import OnnxEmbedder
from sfsc.retrieval.matrix import evaluate_matrix
from sfsc.retrieval.relevance import Labels
from sfsc.settings.experiment import load_params

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "models" / "vehicles"
IDENTITIES = 40


@pytest.fixture(scope="module")
def embedders() -> list[OnnxEmbedder]:
    """The smallest and the full model."""
    return [OnnxEmbedder.load(MODELS / f"width-{width}.onnx") for width in ("0_25", "1")]


def test_they_share_a_space(embedders: list[OnnxEmbedder]):
    """A gallery by the one can be asked by the other."""
    small, full = embedders
    assert small.space == full.space
    assert (small.width, full.width) == (0.25, 1.0)


def test_the_small_one_finds_vehicles_in_the_large_one_s_gallery(embedders: list[OnnxEmbedder]):
    """Vehicles of the test split, which no training saw: far better than chance, and than apart."""
    settings = load_params([ROOT / "params.yaml"]).data.sets["synthetic"]
    first = settings.train_identities
    vehicles = range(first, first + IDENTITIES)
    images = np.concatenate([render_identity(settings, vehicle) for vehicle in vehicles])
    each = settings.images_per_camera
    cameras = np.concatenate([np.repeat(choose_cameras(settings, v), each) for v in vehicles])
    identities = np.repeat(np.array(vehicles), len(images) // IDENTITIES)
    queries = np.arange(len(images)) % each == 0
    vectors = np.stack([embedder.embed(images) for embedder in embedders])
    query, gallery = (Labels(identities[rows], cameras[rows]) for rows in (queries, ~queries))
    matrix = evaluate_matrix(vectors[:, queries], vectors[:, ~queries], query, gallery).map_step
    assert matrix[0, 1] > 0.5
    assert matrix[1, 1] > matrix[0, 1]


def test_they_are_of_a_training_in_the_default_report():
    """The page lists the settings and the revision that their card names."""
    card = (MODELS / "card.md").read_text()
    found = re.search(r"Weights by revision `(\w+)`, settings `(\w+)`", card)
    assert found
    row = r"<code>{1}</code></td><td[^>]*><code>\w+</code></td><td[^>]*><code>{0}</code>"
    page = (ROOT / "reports" / "default" / "index.html").read_text()
    assert len(re.findall(row.format(*found.groups()), page)) == 1
