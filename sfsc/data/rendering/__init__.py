"""The renderer of the synthetic set: vehicles of flat polygons, drawn in whole numbers.

From the bottom up: `raster` fills polygons, `solids` builds boxes, `superstructures` and `vehicles`
put them together, `cameras` draws the views, `pictures` takes a picture.

Drawing is our own because the pixels must be the same on every machine and in every version of
every library. Pillow's polygons would change 40 % of the pixels, by up to 123 of 255.
"""
