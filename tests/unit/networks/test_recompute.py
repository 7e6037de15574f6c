"""Gradient checkpointing saves memory and does not change a bit of the result."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from sfsc.losses.bases.softmax import Softmax
from sfsc.networks.build import EmbeddingNetwork
from sfsc.networks.extract import extract
from sfsc.networks.recompute import recompute_activations
from sfsc.training.build import build_criterion
from sfsc.training.model import IdentityModel
from sfsc.training.step import Gradients, compute_gradients

from sections import loss_section

WIDTHS = (0.25, 1.0)
IMAGES = (8, 3, 32, 32)


def model_of(backbone: str, *, checkpointing: bool) -> IdentityModel:
    """Return a model with the same weights in either case."""
    torch.manual_seed(0)
    network = EmbeddingNetwork(backbone, widths=WIDTHS, embedding_dim=8, image_channels=3)
    if checkpointing:
        recompute_activations(network.backbone)
    base_loss = Softmax(label_smoothing=0.1)
    return IdentityModel(network, embedding_dim=8, identities=4, base_loss=base_loss).train()


def gradients_of(model: IdentityModel) -> Gradients:
    """Return the gradients on a fixed batch."""
    torch.manual_seed(1)
    images, labels = torch.randn(IMAGES), torch.arange(8) // 2
    criterion = build_criterion(loss_section())
    return compute_gradients(model, images, labels, criterion=criterion, progress=0.5)


def kept_bytes(run: Callable[[], object]) -> int:
    """Return the bytes that autograd keeps of a forward pass."""
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = run()
    del output
    return sum(kept.values())


@pytest.mark.parametrize("backbone", ["small_resnet", "resnet50", "mobilenet_v2", "vit_small"])
def test_gradients_and_statistics_are_the_same_bits(backbone: str):
    """Gradients, running statistics and batch counts are bit-identical."""
    plain, checkpointed = (model_of(backbone, checkpointing=on) for on in (False, True))
    expected, found = gradients_of(plain), gradients_of(checkpointed)
    for ours, theirs in zip(found.jacobian.rows, expected.jacobian.rows, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    states = plain.state_dict(), checkpointed.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_less_is_kept():
    """A network of many blocks keeps less than half."""
    torch.manual_seed(1)
    images = torch.randn(IMAGES)
    plain, checkpointed = (
        kept_bytes(partial(model_of("resnet50", checkpointing=on).network, images, 1))
        for on in (False, True)
    )
    assert checkpointed < plain / 2


def test_a_checkpointed_network_is_extracted_like_any_other():
    """Extraction in evaluation mode gives the same embeddings."""
    network = model_of("small_resnet", checkpointing=True).network.eval()
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(extract(network, 0)(images), network(images, 0).embedding)
