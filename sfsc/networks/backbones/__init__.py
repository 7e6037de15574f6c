"""Backbones by name: each module is a part (sfsc.parts) with `build(image_channels, widths)`."""
