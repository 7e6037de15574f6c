"""What every backbone promises."""

import pytest
import torch

from sfsc.networks.backbone import Backbone
from sfsc.networks.switchable import crop_channels
from sfsc.settings import parts

WIDTH_SETS = [
    (0.125, 0.25, 0.5, 1.0),
    (1 / 3, 0.75, 1.0),
    (0.25, 0.5, 0.75, 0.875, 1.0),
    (0.125,),
    (1 / 3,),
]


WHOLE_GROUPS = {"resnext50": 32}
"""Backbones whose widths must leave whole groups, and of how many."""


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        (name, widths)
        for name in parts.names("networks.backbones")
        for widths in WIDTH_SETS
        if all(width * WHOLE_GROUPS.get(name, 0) % 1 == 0 for width in widths)
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [28, 32])
def test_small_images_become_cropped_features(name: str, widths: tuple[float, ...], size: int):
    """At any widths, alone or together, a sub-model's features are its share of the channels."""
    backbone = parts.load("networks.backbones", name).build(1, widths)
    assert isinstance(backbone, Backbone)
    for switch, channels in enumerate(crop_channels(backbone.out_channels, widths)):
        features = backbone(torch.randn(2, 1, size, size), switch)
        assert features.shape[:2] == (2, channels)
        assert features.dim() == 4
        assert torch.isfinite(features).all()
