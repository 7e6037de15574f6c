"""A sub-model as a plain dense network: what is deployed (DESIGN.md 2.1).

The switchable network is traced with the switch fixed; each switchable layer then gives way to its
dense twin. The result knows nothing of this project and embeds images exactly as the sub-model did.
"""

from typing import cast

from torch import Tensor, fx, nn

from sfsc.networks.build import Network
from sfsc.networks.switchable import SwitchableLayer


def extract(network: Network, switch: int) -> nn.Module:
    """Return sub-model `switch` as a plain module that maps (B, C, H, W) to embeddings (B, D).

    The module has its own copy of the weights and the network's training mode.

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
            if isinstance(layer, SwitchableLayer):  # called with its input and its switch
                layer = layer.dense(cast("int", node.args[1]))
            layers[node.target] = layer
            node.args, node.kwargs = node.args[:1], {}
    return fx.GraphModule(layers, graph, class_name="ExtractedSubmodel").train(network.training)


class _Submodel(nn.Module):
    """The network with its switch fixed, for tracing."""

    def __init__(self, network: Network, switch: int) -> None:
        super().__init__()
        self.network = network
        self.switch = switch

    def forward(self, images: Tensor) -> Tensor:
        embedding: Tensor = self.network(images, self.switch).embedding
        return embedding


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_leaf: bool = super().is_leaf_module(m, module_qualified_name)
        return isinstance(m, SwitchableLayer) or is_leaf
