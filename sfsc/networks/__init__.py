"""Switchable networks: layers, backbones, and extraction of sub-models (DESIGN.md 2.1)."""
