"""The embedding network: backbone, pooling, projection to D, neck (DESIGN.md 2.1)."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sfsc.errors import ResultError
from sfsc.networks.backbone import Backbone
from sfsc.networks.per_width import NetworkPerWidth
from sfsc.networks.pooling import POOLINGS
from sfsc.networks.switchable import (
    Embeddings,
    SwitchableBatchNorm,
    SwitchableLinear,
    Widths,
    crop_channels,
)
from sfsc.settings import parts

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class EmbeddingNetwork(nn.Module):
    """Maps images to embeddings of the same dimension in every sub-model.

    >>> network = EmbeddingNetwork(
    ...     "small_resnet", widths=(0.25, 1.0), embedding_dim=8, image_channels=3
    ... ).eval()
    >>> images = torch.rand(2, 3, 24, 24)
    >>> [tuple(network(images, switch).embedding.shape) for switch in (0, 1)]
    [(2, 8), (2, 8)]

    Args:
        backbone: Name of a file in `sfsc/networks/backbones`.
        widths: Ascending crop ratios; sub-model `switch` has `widths[switch]`.
        embedding_dim: D.
        image_channels: Channels of the images.
        pooling: Pooling of the feature map, `average` or `gem`.
        backbone_settings: What the backbone's file lets a user set; by default its own defaults.
    """

    def __init__(
        self,
        backbone: str,
        *,
        widths: Widths,
        embedding_dim: int,
        image_channels: int,
        pooling: str = "average",
        backbone_settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        part = parts.load("networks.backbones", backbone)
        self.backbone: Backbone = part.build(image_channels, self.widths, **backbone_settings)
        self.pooling = POOLINGS[pooling](len(self.widths))
        dims = (embedding_dim,) * len(self.widths)
        self.projection = SwitchableLinear(
            crop_channels(self.backbone.out_channels, self.widths), dims
        )
        self.neck = SwitchableBatchNorm(dims, nn.BatchNorm1d)

    def forward(self, images: Tensor, switch: int) -> Embeddings:
        """Embed a batch with sub-model `switch`.

        Args:
            images: Shape (B, C, H, W), normalised.
            switch: Index of the sub-model.

        Returns:
            Embeddings before and after the neck, each (B, D), not of unit length.
        """
        features = self.pooling(self.backbone(images, switch), switch)
        before_neck = self.projection(features, switch)
        return Embeddings(before_neck, self.neck(before_neck, switch))


def network_per_width(backbone: str, *, widths: Widths, **settings: Any) -> NetworkPerWidth:
    """Return a separate embedding network for each width; arguments as of `EmbeddingNetwork`."""
    return NetworkPerWidth(
        EmbeddingNetwork(backbone, widths=(width,), **settings) for width in widths
    )


Network = EmbeddingNetwork | NetworkPerWidth

KINDS: dict[str, Callable[..., Network]] = {
    "switchable": EmbeddingNetwork,
    "each": network_per_width,
}
"""Builds the `network` of a `run.json`, by its `kind`."""


def channels_last(module: ModuleT) -> ModuleT:
    """Store a module's 4-d parameters channels last, the format that convolves fastest."""
    moved: ModuleT = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def load_network(run_dir: Path) -> Network:
    """Return the network of a finished run, in evaluation mode.

    Args:
        run_dir: Folder with `run.json` and `model.safetensors`.

    Raises:
        ResultError: If a file is missing or damaged, or the two do not fit together.
    """
    try:
        settings = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))["network"]
        network = KINDS[settings.pop("kind", "switchable")](**settings)
        weights = load_file(run_dir / "model.safetensors")
        prefix = "network."  # leaves out the classifiers, which only training needs
        network.load_state_dict(
            {key.removeprefix(prefix): w for key, w in weights.items() if key.startswith(prefix)}
        )
    except (
        *(OSError, ValueError, KeyError, AttributeError, TypeError, RuntimeError),
        *(ImportError, SafetensorError),
    ) as error:
        raise ResultError(
            f"{run_dir} must hold the run.json and model.safetensors of one finished training. "
            f"Found: {' '.join(str(error).split())[:200]} Train it again."
        ) from error
    return channels_last(network).eval()
