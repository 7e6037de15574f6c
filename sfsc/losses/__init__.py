"""Losses of a sub-model (DESIGN.md 2.2, 2.4): base losses, further terms, their weighted sum."""
