"""Statistics: paired effects, their intervals and tests, and the correction for many tests."""
