"""The figures of a data set: a file each, with a function `draw(results) -> Drawing`."""
