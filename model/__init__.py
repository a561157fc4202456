"""SimLingo-Base: images, speed and target points in, waypoints and route out.

Start reading in :mod:`model.driving`; its ``forward`` is the whole model in five lines.
"""
