"""The figures of a data set, a file each: `draw` makes the drawing from the study's results."""
