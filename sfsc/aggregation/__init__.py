"""From the sub-models' gradients to one update (DESIGN.md 2.3)."""
