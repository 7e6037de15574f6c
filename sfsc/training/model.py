"""What is trained: an embedding network and the classifier that all its sub-models share."""

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor, nn

from sfsc.losses.base import BaseLoss
from sfsc.networks.build import EmbeddingNetwork
from sfsc.networks.switchable import Embeddings, block_leaves, submodel_blocks
from sfsc.training.precision import autocast

CLASSIFIER = "classifier"


class IdentityModel(nn.Module):
    """Embedding network with the classifier `w` of its full model (DESIGN.md 2.2).

    Args:
        network: The switchable network.
        embedding_dim: D.
        identities: C, the number of training identities.
        base_loss: Defines the logits.
        precision: Type of the network's activations: float32, bf16 or fp16.
    """

    def __init__(
        self,
        network: EmbeddingNetwork,
        *,
        embedding_dim: int,
        identities: int,
        base_loss: BaseLoss,
        precision: str = "float32",
    ) -> None:
        super().__init__()
        self.network = network
        self.base_loss = base_loss
        self.precision = precision
        self.classifier = nn.Parameter(torch.empty(identities, embedding_dim))
        nn.init.normal_(self.classifier, std=0.01)

    def forward(self, images: Tensor, switch: int) -> tuple[Embeddings, Tensor]:
        """Return a sub-model's embeddings and logits.

        Args:
            images: Shape (B, C, H, W), normalised.
            switch: Index of the sub-model.

        Returns:
            The embeddings, each (B, D), and the logits of the base loss, (B, identities), of
            the weights' type.
        """
        with autocast(images.device, self.precision):
            embeddings = self.network(images, switch)
        embeddings = Embeddings(*(e.to(self.classifier.dtype) for e in embeddings))
        return embeddings, self.base_loss.logits(embeddings.embedding, self.classifier)

    @property
    def switches(self) -> int:
        """M, the number of sub-models."""
        return len(self.network.widths)

    @cached_property
    def blocks(self) -> list[Mapping[str, tuple[int, ...]]]:
        """Per sub-model: parameter name to the shape of its block."""
        return [submodel_blocks(self, switch) for switch in range(self.switches)]

    @cached_property
    def parameters_by_name(self) -> Mapping[str, nn.Parameter]:
        """All parameters."""
        return dict(self.named_parameters())

    def leaves(self, switch: int, *, moves_classifier: bool) -> dict[str, Tensor]:
        """Return what sub-model `switch` may move, as leaves of autograd on its blocks.

        Args:
            switch: Index of the sub-model.
            moves_classifier: Whether its loss moves the classifier.
        """
        blocks = dict(self.blocks[switch])
        if not moves_classifier:
            del blocks[CLASSIFIER]
        return block_leaves(self.parameters_by_name, blocks)
