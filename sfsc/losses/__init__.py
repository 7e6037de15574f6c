"""Losses of a sub-model (DESIGN.md 2.2)."""
