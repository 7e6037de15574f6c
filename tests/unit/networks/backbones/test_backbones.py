"""What every backbone promises."""

import pytest
import torch

from sfsc import parts
from sfsc.networks.backbone import Backbone
from sfsc.networks.switchable import crop_channels

WIDTH_SETS = [
    (0.125, 0.25, 0.5, 1.0),
    (1 / 3, 0.75, 1.0),
    (0.25, 0.5, 0.75, 0.875, 1.0),
    (0.125,),
    (1 / 3,),
]


@pytest.mark.parametrize("name", parts.names("networks.backbones"))
@pytest.mark.parametrize("widths", WIDTH_SETS, ids=str)
@pytest.mark.parametrize("size", [28, 32])
def test_small_images_become_cropped_features(name: str, widths: tuple[float, ...], size: int):
    """At any widths, alone or together, a sub-model's features are its share of the channels."""
    backbone = parts.load("networks.backbones", name).build(1, widths)
    assert isinstance(backbone, Backbone)
    for switch, channels in enumerate(crop_channels(backbone.out_channels, widths)):
        features = backbone(torch.randn(2, 1, size, size), switch)
        assert features.shape == (2, channels)
        assert torch.isfinite(features).all()
