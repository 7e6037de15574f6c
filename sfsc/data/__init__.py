"""Data sets: one manifest, one packed form and one set of integrity checks for all of them (DESIGN.md 4)."""
