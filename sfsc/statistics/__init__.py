"""Statistics: paired effects with intervals and tests, and the correction for many of them."""
