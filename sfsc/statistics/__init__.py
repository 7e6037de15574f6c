"""Statistics: paired effects, their intervals and tests, corrections for many tests, power."""
