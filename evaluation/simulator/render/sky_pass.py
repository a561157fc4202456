"""The sky: a coarse dome whose vertices carry light and clouds."""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

_SECTORS = 60
_ALTITUDES_DEG = (-1.0, 0.0, 2.0, 5.0, 9.0, 14.0, 20.0, 27.0, 35.0, 44.0, 56.0, 70.0, 90.0)


def dome() -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Unit directions (n, 3) of the sky's vertices and triangles (m, 3)."""
    altitude = np.radians(_ALTITUDES_DEG)[:, None]
    azimuth = 2.0 * np.pi * np.arange(_SECTORS)[None, :] / _SECTORS
    level = np.cos(altitude)
    x, y = level * np.cos(azimuth), level * np.sin(azimuth)
    directions = np.stack([x, y, np.broadcast_to(np.sin(altitude), x.shape)], axis=-1)
    ring, sector = np.mgrid[0 : len(_ALTITUDES_DEG) - 1, 0:_SECTORS]
    this, following = ring * _SECTORS + sector, ring * _SECTORS + (sector + 1) % _SECTORS
    quads = [this, following, following + _SECTORS, this, following + _SECTORS, this + _SECTORS]
    triangles = np.stack(quads, axis=-1).reshape(-1, 3)
    return directions.reshape(-1, 3).astype(np.float32), triangles.astype(np.uint32)


class SkyPass:
    """Fills what nothing else covered; below the horizon the clear colour shows."""

    def __init__(self, context: moderngl.Context, program: moderngl.Program) -> None:
        directions, triangles = dome()
        vertices = context.buffer(directions.tobytes())
        indices = context.buffer(triangles.tobytes())
        self._array = context.vertex_array(program, [(vertices, "3f4", "in_direction")], indices)

    def draw(self) -> None:
        """Draw for the camera whose uniforms are bound."""
        self._array.render(moderngl.TRIANGLES)
