"""An extracted sub-model equals the trained one."""

import warnings

import pytest
import torch
from torch import nn

from sfsc.networks.build import EmbeddingNetwork, network_per_width
from sfsc.networks.cost import cost
from sfsc.networks.extract import extract
from sfsc.networks.switchable import SwitchableLayer
from sfsc.settings import parts

BACKBONES = parts.names("networks.backbones")
WIDTHS = (0.125, 0.25, 0.5, 1.0)


def trained_network(backbone: str) -> EmbeddingNetwork:
    """Return a network whose batch norms have seen data, in evaluation mode."""
    network = EmbeddingNetwork(backbone, widths=WIDTHS, embedding_dim=16, image_channels=3)
    for switch in range(len(WIDTHS)):
        network(torch.randn(8, 3, 32, 32), switch)
    return network.eval()


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("switch", range(4))
def test_extracted_embeddings_equal_the_switched_ones(backbone: str, switch: int):
    """A plain dense module gives the sub-model's embeddings, within 1e-5 in float32."""
    network = trained_network(backbone)
    images = torch.randn(4, 3, 32, 32)
    dense = extract(network, switch)
    assert not any(isinstance(layer, SwitchableLayer) for layer in dense.modules())
    expected = network(images, switch).embedding
    torch.testing.assert_close(dense(images), expected, rtol=0.0, atol=1e-5)


def test_extracted_pooling_has_its_own_exponent():
    """The generalised mean of a sub-model becomes a plain layer with the same output."""
    network = EmbeddingNetwork(
        "small_resnet", widths=WIDTHS, embedding_dim=8, image_channels=3, pooling="gem"
    ).eval()
    with torch.no_grad():
        for switch in range(len(WIDTHS)):
            network.pooling.private[switch].exponent.fill_(switch + 1.5)
    images = torch.randn(4, 3, 32, 32)
    for switch in range(len(WIDTHS)):
        dense = extract(network, switch)
        assert not any(isinstance(layer, SwitchableLayer) for layer in dense.modules())
        torch.testing.assert_close(dense(images), network(images, switch).embedding)


@pytest.mark.parametrize("switch", range(4))
def test_extraction_from_one_network_per_width(switch: int):
    """The network of that width is extracted and counted."""
    networks = network_per_width("small_resnet", widths=WIDTHS, embedding_dim=16, image_channels=3)
    images = torch.randn(8, 3, 32, 32)
    networks(images, switch)
    own = networks.eval().networks[switch]
    dense = extract(networks, switch)
    assert not any(isinstance(layer, SwitchableLayer) for layer in dense.modules())
    torch.testing.assert_close(dense(images), own(images, 0).embedding, rtol=0.0, atol=1e-5)
    assert cost(networks, switch, (3, 32, 32)) == cost(own, 0, (3, 32, 32))


def test_extracted_weights_are_its_own():
    """Changing the extracted module leaves the switchable network alone."""
    network = trained_network("small_resnet")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for parameter in extract(network, 1).parameters():
        nn.init.zeros_(parameter)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_extraction_keeps_the_mode():
    """A network in training mode gives a module in training mode."""
    network = trained_network("small_resnet")
    assert not extract(network, 0).training
    assert extract(network.train(), 0).training


def test_every_sub_model_has_one_embedding_dimension():
    """Small and full sub-models embed into the same space."""
    network = trained_network("small_resnet")
    shapes = {network(torch.randn(2, 3, 32, 32), switch).embedding.shape for switch in range(4)}
    assert shapes == {(2, 16)}


@pytest.mark.parametrize("backbone", BACKBONES)
class TestExport:
    """A sub-model can be traced and exported, for any number of images."""

    def test_a_trace_embeds_other_numbers_of_images(self, backbone: str):
        """`torch.jit.trace` on three images gives the embeddings of two."""
        dense, images = extract(trained_network(backbone), 0), torch.randn(3, 3, 48, 80)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit itself
            traced = torch.jit.trace(dense, images)
        torch.testing.assert_close(traced(images[:2]), dense(images[:2]))

    def test_an_export_has_a_dynamic_batch(self, backbone: str):
        """`torch.export` keeps the number of images free."""
        dense, images = extract(trained_network(backbone), 0), torch.randn(3, 3, 48, 80)
        batch = torch.export.Dim("batch", min=1, max=64)
        program = torch.export.export(dense, (images,), dynamic_shapes=({0: batch},))
        torch.testing.assert_close(program.module()(images[:2]), dense(images[:2]))

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
    def test_other_precisions_embed(self, backbone: str, dtype: torch.dtype):
        """Weights and images in another floating-point type give embeddings of that type."""
        dense, images = extract(trained_network(backbone), 0), torch.randn(3, 3, 48, 80)
        expected = dense(images)
        found = dense.to(dtype)(images.to(dtype))
        assert found.dtype == dtype
        error = (found.float() - expected).norm() / expected.norm()
        assert error < (0.1 if dtype == torch.bfloat16 else 1e-4)
