"""Draws strokes: straight bars of one colour that nothing lights and nothing shades.

Clients' debug shapes are such bars, and so are street lamps at night.
"""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.frame import Strokes
from evaluation.simulator.town.scenery import StreetLamps

_FORMAT = "3f4 3f4 1f4 3f1/i"
_ATTRIBUTES = ("in_start", "in_end", "in_half", "in_colour")
_DTYPE = np.dtype(
    [
        ("start", np.float32, 3),
        ("end", np.float32, 3),
        ("half", np.float32),
        ("colour", np.uint8, 3),
    ]
)
THINNEST_M = 0.01
"""Bars without a thickness are drawn as thin wires."""
_LAMP_M = 0.28


def _cube() -> NDArray[np.float32]:
    """Corners (36, 3) of the triangles of a cube: 0 to 1 along, -1 to 1 across."""
    faces = []
    for axis in range(3):
        for side in (-1.0, 1.0):
            square = np.array([(-1, -1), (1, -1), (1, 1), (-1, -1), (1, 1), (-1, 1)], np.float32)
            faces.append(np.insert(square, axis, side, axis=1))
    cube = np.concatenate(faces)
    cube[:, 0] = 0.5 + 0.5 * cube[:, 0]
    return cube.astype(np.float32)


class StrokePass:
    """All strokes of a frame, in one draw a camera."""

    def __init__(
        self, context: moderngl.Context, program: moderngl.Program, lamps: StreetLamps
    ) -> None:
        self._context = context
        self._program = program
        self._lamps = _cubes(lamps)
        self._cube = context.buffer(_cube().tobytes())
        self._count = 0
        self._reserve(64)

    def _reserve(self, count: int) -> None:
        self._buffer = self._context.buffer(reserve=count * _DTYPE.itemsize, dynamic=True)
        content = [(self._cube, "3f4", "in_corner"), (self._buffer, _FORMAT, *_ATTRIBUTES)]
        self._array = self._context.vertex_array(self._program, content)

    def prepare(self, strokes: Strokes, lights_rgb: NDArray[np.float32]) -> None:
        """Upload what is to be drawn.

        lights_rgb: what each street lamp shines with (n, 3), or no row at all.
        """
        lit = np.flatnonzero(lights_rgb.any(axis=1))
        lamps = self._lamps[lit]
        lamps["colour"] = np.minimum(255.0 * lights_rgb[lit], 255.0)
        records = np.concatenate([_records(strokes), lamps])
        self._count = len(records)
        if not self._count:
            return
        if records.nbytes > self._buffer.size:
            self._array.release()
            self._buffer.release()
            self._reserve(2 * self._count)
        self._buffer.write(records.tobytes())

    def draw(self) -> None:
        """Draw for the camera whose uniforms are bound."""
        if self._count:
            self._array.render(moderngl.TRIANGLES, instances=self._count)


def _records(strokes: Strokes) -> NDArray[np.void]:
    """One DTYPE row a stroke."""
    records = np.zeros(len(strokes.thickness_m), _DTYPE)
    records["start"], records["end"] = strokes.start_world_m, strokes.end_world_m
    records["half"] = 0.5 * np.maximum(strokes.thickness_m, THINNEST_M)
    records["colour"] = strokes.colour_rgb
    return records


def _cubes(lamps: StreetLamps) -> NDArray[np.void]:
    """A cube for each street lamp, still without colour."""
    count = len(lamps.height_m)
    place = lamps.location.astype(np.float64)
    return _records(Strokes(place, place, np.full(count, _LAMP_M), np.zeros((count, 3), np.uint8)))
