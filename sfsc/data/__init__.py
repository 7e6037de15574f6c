"""Data sets: one manifest, one packed form, one set of integrity checks (DESIGN.md 4)."""
