"""Switchable layers, backbones and their extraction (DESIGN.md 2.1)."""
