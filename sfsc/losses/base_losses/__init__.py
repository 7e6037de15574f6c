"""Base losses by name: each module is a part (sfsc.parts) with `build(section)`."""
