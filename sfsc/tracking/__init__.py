"""Mirrors result files into MLflow; only `sfsc track` and the workflow import it."""
