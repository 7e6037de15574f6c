"""A reference is a finished training that fits; it is frozen."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sfsc.errors import ResultError
from sfsc.losses.bases.softmax import Softmax
from sfsc.networks.build import EmbeddingNetwork
from sfsc.training.checkpoint import as_saved
from sfsc.training.model import IdentityModel
from sfsc.training.reference import load_reference

NETWORK = {
    "backbone": "small_resnet",
    "widths": [1.0],
    "embedding_dim": 8,
    "image_channels": 3,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished training of five identities."""
    network = EmbeddingNetwork(**NETWORK)
    model = IdentityModel(
        network, embedding_dim=8, identities=5, base_loss=Softmax(label_smoothing=0.1)
    )
    save_file(as_saved(model.state_dict()), tmp_path / "model.safetensors")
    record = {"network": {"kind": "switchable", **NETWORK}}
    (tmp_path / "run.json").write_text(json.dumps(record))
    return tmp_path


def test_a_reference_embeds_without_gradient(folder: Path):
    """Its embeddings are in evaluation mode: an image's does not depend on the batch."""
    reference = load_reference(folder, identities=5, embedding_dim=8, device=torch.device("cpu"))
    images = torch.randn(4, 3, 16, 16)
    target = reference(images)
    assert target.embedding.shape == (4, 8)
    assert target.classifier.shape == (5, 8)
    assert not target.embedding.requires_grad
    torch.testing.assert_close(reference(images[:1]).embedding, target.embedding[:1])


def test_other_identities_are_refused(folder: Path):
    """Its classifier must score the identities of the training that refers to it."""
    with pytest.raises(ResultError) as error:
        load_reference(folder, identities=7, embedding_dim=8, device=torch.device("cpu"))
    assert str(error.value) == (
        "The reference must be trained on the same identities, with embeddings of the same "
        f"dimension: a classifier of shape (7, 8). Found (5, 8) in {folder / 'model.safetensors'}."
    )


def test_a_run_without_classifier_is_refused(folder: Path):
    """An assembled run is no single training."""
    path = folder / "model.safetensors"
    network = EmbeddingNetwork(**NETWORK)
    save_file(as_saved({f"network.{k}": v for k, v in network.state_dict().items()}), path)
    with pytest.raises(ResultError, match="must hold the classifier of a finished training"):
        load_reference(folder, identities=5, embedding_dim=8, device=torch.device("cpu"))
