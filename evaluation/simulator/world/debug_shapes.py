"""What clients draw into the world to look at: lines, points, arrows and boxes, for a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from evaluation.simulator.physics.pose import rotation_matrix
from evaluation.simulator.render.frame import Strokes
from evaluation.simulator.wire.codec import (
    BoundingBox,
    Rotation,
    Vector3D,
    WireError,
    describe,
    integer,
    real,
    sequence,
)

MOST_STROKES = 20_000
"""Older ones make room: shapes have no end unless their client gives them one."""
THICKEST_M = 100.0
_TIME_SLACK_S = 1e-6
_POINT, _LINE, _ARROW, _BOX, _STRING = range(5)
_KINDS_WITH_HUD = 9
"""After the five kinds come those of four that are drawn on the server's own window."""
_HEAD_SIDES = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))
_HEAD_SHARE = 0.5
"""How far an arrow's head spreads, against its length."""


class Stroke(NamedTuple):
    """A bar from place to place, m, its colour, the frame after which it was drawn, and when it
    goes."""

    start: Sequence[float]
    end: Sequence[float]
    thickness_m: float
    rgb: tuple[int, int, int]
    born_frame: int
    until_s: float


Line = tuple[Sequence[float], Sequence[float], float]


class DebugShapes:
    """The strokes of all shapes that are still to be seen."""

    def __init__(self) -> None:
        self._strokes: list[Stroke] = []
        self._shown: Strokes | None = None

    def draw(self, shape: object, frame: int, elapsed_s: float) -> None:
        """Take a shape as it comes over the wire, drawn after a frame.

        A life of 0 s is one frame, a negative one has no end. Texts, and what is drawn on the
        server's own window, no camera sees, as in CARLA.

        Raises:
            WireError: it is no shape.
        """
        items = sequence("DebugShape", shape, at_least=3)
        lines = read_lines(items[0])
        red, green, blue = (
            min(max(integer("DebugShape.color", part), 0), 255)
            for part in sequence("DebugShape.color", items[1], at_least=3)[:3]
        )
        life_s = real("DebugShape.life_time", items[2])
        until_s = elapsed_s + life_s if life_s >= 0.0 else np.inf
        rgb = (red, green, blue)
        self._strokes += [Stroke(*line, rgb, frame, until_s) for line in lines]
        del self._strokes[:-MOST_STROKES]
        self._shown = None

    def clear(self) -> None:
        """Take all shapes away."""
        self._strokes.clear()
        self._shown = None

    def seen(self, frame: int, elapsed_s: float) -> Strokes:
        """Return what cameras see in a frame, and forget what is over."""
        kept = [
            stroke
            for stroke in self._strokes
            if stroke.until_s + _TIME_SLACK_S >= elapsed_s or stroke.born_frame + 1 >= frame
        ]
        if len(kept) < len(self._strokes):
            self._strokes = kept
            self._shown = None
        self._shown = self._shown or _laid_out(kept)
        return self._shown


def _laid_out(kept: Sequence[Stroke]) -> Strokes:
    return Strokes(
        np.array([stroke.start for stroke in kept], np.float64).reshape(-1, 3),
        np.array([stroke.end for stroke in kept], np.float64).reshape(-1, 3),
        np.array([stroke.thickness_m for stroke in kept], np.float64),
        np.array([stroke.rgb for stroke in kept], np.uint8).reshape(-1, 3),
    )


def read_lines(primitive: object) -> list[Line]:
    """Return the lines (start, end, thickness in m) of which a primitive is made.

    Raises:
        WireError: it is no primitive.
    """
    kind, data = sequence("DebugShape.primitive", primitive, at_least=2)[:2]
    number = integer("DebugShape.primitive", kind)
    if not 0 <= number < _KINDS_WITH_HUD:
        raise WireError(f"DebugShape.primitive: no kind has the number {describe(kind)}")
    if number >= _STRING:
        return []
    fields = sequence("DebugShape.primitive", data, at_least=2)
    if number == _POINT:
        place = Vector3D.location_from_wire(fields[0])
        return [(place, place, _thickness(fields[1]))]
    if number == _LINE:
        return [_line(fields)]
    if number == _ARROW:
        return _arrow(_line(fields[0]), _thickness(fields[1]))
    return _box(fields)


def _thickness(data: object) -> float:
    return real("DebugShape size or thickness", data, 0.0, THICKEST_M)


def _line(data: object) -> Line:
    fields = sequence("DebugShape.Line", data, at_least=3)
    start, end = (Vector3D.location_from_wire(part) for part in fields[:2])
    return start, end, _thickness(fields[2])


def _arrow(line: Line, size_m: float) -> list[Line]:
    """Return a line with four strokes that lead back from its tip."""
    start, end, thickness_m = np.array(line[0]), np.array(line[1]), line[2]
    along = end - start
    length = float(np.linalg.norm(along))
    if length == 0.0:
        return [line]
    along /= length
    aside = np.cross(along, (1.0, 0.0, 0.0) if abs(along[0]) < 0.9 else (0.0, 1.0, 0.0))
    aside /= np.linalg.norm(aside)
    upward = np.cross(along, aside)
    barbs = [
        end - size_m * (along - _HEAD_SHARE * (first * aside + second * upward))
        for first, second in _HEAD_SIDES
    ]
    return [line, *((end.tolist(), barb.tolist(), thickness_m) for barb in barbs)]


def _box(fields: Sequence[object]) -> list[Line]:
    """Return the twelve edges of a box."""
    items = sequence("DebugShape.Box", fields, at_least=3)
    box = BoundingBox.from_wire(items[0])
    turn = rotation_matrix(Rotation.from_wire(items[1]))
    thickness_m = _thickness(items[2])
    corners = {
        signs: (turn @ (np.array(signs) * box.extent) + box.location).tolist()
        for signs in product((-1.0, 1.0), repeat=3)
    }
    return [
        (corners[one], corners[other], thickness_m)
        for one in corners
        for other in corners
        if one < other and sum(a != b for a, b in zip(one, other, strict=True)) == 1
    ]
