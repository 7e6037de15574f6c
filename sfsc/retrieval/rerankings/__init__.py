"""Ways to re-rank by name: each module is a part (sfsc.parts) with `Settings` and `build`."""
