"""The switch selects one of several networks."""

import torch

from sfsc.networks.build import EmbeddingNetwork, network_per_width
from sfsc.networks.per_width import NetworkPerWidth

WIDTHS = (0.25, 0.5, 1.0)


def test_each_switch_has_a_network_of_its_own():
    """Network i has the channels of sub-model i and shares no weight with the others."""
    networks = network_per_width("small_resnet", widths=WIDTHS, embedding_dim=8, image_channels=3)
    assert networks.widths == WIDTHS
    shared = EmbeddingNetwork("small_resnet", widths=WIDTHS, embedding_dim=8, image_channels=3)
    for switch, network in enumerate(networks.networks):
        stem = shared.backbone.stem.conv.block(switch)["weight"]
        assert network.backbone.stem.conv.weight.shape == stem
        own = {parameter.data_ptr() for parameter in network.parameters()}
        others = (n for n in networks.networks if n is not network)
        assert own.isdisjoint(p.data_ptr() for n in others for p in n.parameters())


def test_a_switch_calls_its_network():
    """The embeddings are those of the selected network."""
    networks = network_per_width("small_resnet", widths=WIDTHS, embedding_dim=8, image_channels=3)
    images = torch.randn(4, 3, 16, 16)
    for switch, network in enumerate(networks.eval().networks):
        found, expected = networks(images, switch), network(images, 0)
        assert torch.equal(found.embedding, expected.embedding)
        assert torch.equal(found.before_neck, expected.before_neck)


def test_finished_networks_are_put_together():
    """Given networks keep their widths and their order."""
    first, second = (
        EmbeddingNetwork("small_resnet", widths=(width,), embedding_dim=8, image_channels=3)
        for width in (0.5, 1.0)
    )
    networks = NetworkPerWidth([first, second])
    assert networks.widths == (0.5, 1.0)
    assert networks.networks[1] is second
