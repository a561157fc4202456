"""Images of the town: a rasteriser without asset files, fast enough for one CPU core."""
