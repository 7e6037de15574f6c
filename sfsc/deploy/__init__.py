"""From a training to a search: exported sub-models, galleries of photographs (DESIGN.md 8)."""
