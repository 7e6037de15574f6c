"""`params.yaml` as typed settings: sections, parts, experiments and the slices that jobs get."""
