"""Switchable representation learning with self-compatibility (SFSC, arXiv 2206.08289)."""
