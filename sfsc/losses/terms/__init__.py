"""Loss terms: each file is a part (`sfsc.settings.parts`) with `Settings` and `build`."""
