"""A sub-model as a plain dense network: what is deployed (DESIGN.md 2.1).

The switchable network is traced with a fixed switch, then each switchable layer is replaced by its
dense counterpart. The result needs nothing of this project and gives the sub-model's embeddings.
"""

from typing import cast

from torch import Tensor, fx, nn

from sfsc.networks.build import Network
from sfsc.networks.switchable import SwitchableLayer


def extract(network: Network, switch: int) -> nn.Module:
    """Return sub-model `switch` as a plain module that maps (B, C, H, W) to embeddings (B, D).

    The module has its own copy of the weights and is in the network's mode, training or evaluation.

    >>> import torch
    >>> from sfsc.networks.build import EmbeddingNetwork
    >>> network = EmbeddingNetwork(
    ...     "small_resnet", widths=(0.25, 1.0), embedding_dim=8, image_channels=3
    ... ).eval()
    >>> images = torch.rand(2, 3, 24, 24)
    >>> torch.allclose(extract(network, 0)(images), network(images, 0).embedding, atol=1e-5)
    True

    Args:
        network: A switchable network, or one network per width.
        switch: Index of the sub-model.
    """
    root = _Submodel(network, switch)
    graph = _Tracer().trace(root)
    layers: dict[str, nn.Module] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            layer = root.get_submodule(str(node.target))
            node.target = str(node.target).removeprefix("network.")
            if isinstance(layer, SwitchableLayer):  # its arguments are the input and the switch
                layer = layer.dense(cast("int", node.args[1]))
            layers[node.target] = layer
            node.args, node.kwargs = node.args[:1], {}
    return fx.GraphModule(layers, graph, class_name="ExtractedSubmodel").train(network.training)


class _Submodel(nn.Module):
    """A network with a fixed switch."""

    def __init__(self, network: Network, switch: int) -> None:
        super().__init__()
        self.network = network
        self.switch = switch

    def forward(self, images: Tensor) -> Tensor:
        embedding: Tensor = self.network(images, self.switch).embedding
        return embedding


class _Tracer(fx.Tracer):
    """Traces into everything but switchable layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_leaf: bool = super().is_leaf_module(m, module_qualified_name)
        return isinstance(m, SwitchableLayer) or is_leaf
