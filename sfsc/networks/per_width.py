"""One separate network per width, with the interface of a switchable network (DESIGN.md 2.4)."""

import itertools
from collections.abc import Iterable
from typing import cast

from torch import Tensor, nn

from sfsc.networks.switchable import Embeddings


class NetworkPerWidth(nn.Module):
    """Networks of one sub-model each; the switch selects the network.

    Args:
        networks: Embedding networks of one width each, ascending; they share nothing.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        widths = (cast("tuple[float, ...]", network.widths) for network in self.networks)
        self.widths = tuple(itertools.chain.from_iterable(widths))

    def forward(self, images: Tensor, switch: int) -> Embeddings:
        """Embed (B, C, H, W) images with network `switch`."""
        embeddings: Embeddings = self.networks[switch](images, 0)
        return embeddings
