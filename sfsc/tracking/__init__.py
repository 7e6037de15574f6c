"""The mirror of result files into MLflow; no other module imports it."""
