"""ViT-S/16, as timm's `vit_small_patch16_224` (Dosovitskiy et al., arXiv 2010.11929)."""

from sfsc.networks.switchable import Widths
from sfsc.networks.transformer import VisionTransformer
from sfsc.settings.section import Part


class Settings(Part):
    """The backbone has no settings."""


def build(image_channels: int, widths: Widths) -> VisionTransformer:
    """Return the network: 384 channels, 12 blocks of 6 heads, patches of 16 pixels.

    The feature map is 1/16 of the image's side: 16 x 8 for images of 256 x 128 pixels.
    """
    return VisionTransformer(image_channels, features=384, depth=12, heads=6, widths=widths)
