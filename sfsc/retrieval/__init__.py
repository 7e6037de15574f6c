"""Retrieval: from embeddings to self- and cross-tests (DESIGN.md 3)."""
