"""Backbones: each file is a part with `build(image_channels, widths)`, found by its name."""
