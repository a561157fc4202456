"""Plane curves made of straight pieces and arcs, for road reference lines.

Frame: OpenDRIVE's plane (x east, y north, heading counter-clockwise from x, radians, metres);
positive curvature bends to the left.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import atan2, cos, hypot, inf, pi, remainder, sin, sqrt, tan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

# Chosen: nearer points (a millimetre) are taken for one, whose direction would be rounding noise.
_COINCIDING_M = 1e-3
# Chosen: tangents so many times as long as the way belong to circles that nobody can build.
_LONGEST_TANGENT = 1e4
# Chosen: a shorter piece (a nanometre) is rounding noise, and would be a geometry in the file.
_SHORTEST_PIECE_M = 1e-9


class Pose(NamedTuple):
    """A point with a direction."""

    x: float
    y: float
    heading: float

    def moved(self, forward_m: float, left_m: float = 0.0) -> Pose:
        """The pose shifted along and across its own direction."""
        c, s = cos(self.heading), sin(self.heading)
        return Pose(
            self.x + forward_m * c - left_m * s, self.y + forward_m * s + left_m * c, self.heading
        )

    def turned(self, angle_rad: float = pi) -> Pose:
        """The same point, looking elsewhere (backwards by default)."""
        return Pose(self.x, self.y, remainder(self.heading + angle_rad, 2.0 * pi))


class Piece(NamedTuple):
    """An arc, or a straight line where the curvature is zero."""

    length_m: float
    curvature_per_m: float

    @property
    def turn_rad(self) -> float:
        """Change of heading from its start to its end."""
        return self.length_m * self.curvature_per_m


@dataclass(frozen=True)
class Curve:
    """Pieces joined end to end without a kink, from `start` on."""

    start: Pose
    pieces: tuple[Piece, ...]

    @property
    def length_m(self) -> float:
        return sum(piece.length_m for piece in self.pieces)

    @property
    def sharpest_per_m(self) -> float:
        """Largest absolute curvature."""
        return max(abs(piece.curvature_per_m) for piece in self.pieces)

    @property
    def end(self) -> Pose:
        pose = self.start
        for piece in self.pieces:
            pose = _advance(pose, piece.curvature_per_m, piece.length_m)
        return pose

    def joints(self) -> list[Pose]:
        """Pose at the start of every piece."""
        poses = [self.start]
        for piece in self.pieces[:-1]:
            poses.append(_advance(poses[-1], piece.curvature_per_m, piece.length_m))
        return poses

    def sample(self, step_m: float) -> F64:
        """Poses (n, 3) at most `step_m` apart, both ends included."""
        rows: list[Pose] = []
        for pose, piece in zip(self.joints(), self.pieces, strict=True):
            count = max(1, int(np.ceil(piece.length_m / step_m)))
            rows += [
                _advance(pose, piece.curvature_per_m, piece.length_m * i / count)
                for i in range(count)
            ]
        rows.append(self.end)
        return np.array(rows, dtype=np.float64)

    def then(self, other: Curve) -> Curve:
        """This curve, continued by the pieces of another that starts at its end."""
        return Curve(self.start, self.pieces + other.pieces)


def _advance(pose: Pose, curvature_per_m: float, length_m: float) -> Pose:
    # Along the chord: exact for every curvature, zero included, where a difference of sines over
    # the curvature would cancel.
    half_turn = 0.5 * curvature_per_m * length_m
    chord = pose.turned(half_turn).moved(length_m * _sinc(half_turn))
    return Pose(chord.x, chord.y, pose.heading + 2.0 * half_turn)


def _sinc(angle_rad: float) -> float:
    """sin(x) / x: the length of an arc's chord over that of the arc, for half its turn."""
    return sin(angle_rad) / angle_rad if angle_rad else 1.0


def _arc_to(pose: Pose, x: float, y: float) -> Piece:
    """The arc that leaves `pose` along its heading and passes through a point.

    Raises:
        ValueError: the point is the pose's own.
    """
    dx, dy = x - pose.x, y - pose.y
    chord = hypot(dx, dy)
    if chord < _COINCIDING_M:
        raise ValueError(f"no curve between coinciding points ({x:.2f}, {y:.2f})")
    half_turn = remainder(atan2(dy, dx) - pose.heading, 2.0 * pi)
    return Piece(chord / _sinc(half_turn), 2.0 * sin(half_turn) / chord)


def biarc(start: Pose, end: Pose) -> Curve:
    """Two arcs that join two poses without a kink, with tangents of equal length.

    Raises:
        ValueError: the points coincide, or one of the arcs would be without length or without end.
    """
    vx, vy = end.x - start.x, end.y - start.y
    square = vx * vx + vy * vy
    c0, s0, c1, s1 = cos(start.heading), sin(start.heading), cos(end.heading), sin(end.heading)
    along = vx * (c0 + c1) + vy * (s0 + s1)
    spread = (c0 - c1) ** 2 + (s0 - s1) ** 2
    root = sqrt(along * along + spread * square)
    # Two forms of one solution of a quadratic; in each case the one whose sums do not cancel.
    if along > 0.0:
        tangent = square / (root + along)
    elif spread > 0.0:
        tangent = (root - along) / spread
    else:
        tangent = inf
    if tangent > _LONGEST_TANGENT * sqrt(square):
        raise ValueError("no two-arc curve between these poses")
    mid_x = 0.5 * (start.x + end.x + tangent * (c0 - c1))
    mid_y = 0.5 * (start.y + end.y + tangent * (s0 - s1))
    first = _arc_to(start, mid_x, mid_y)
    middle = _advance(start, first.curvature_per_m, first.length_m)
    return Curve(start, (first, _arc_to(middle, end.x, end.y)))


def corner(start: Pose, end: Pose, straight_m: float) -> Curve | None:
    """Straight, arc, straight: a turn whose arc keeps `straight_m` away from both ends.

    Returns:
        None where the two directions do not meet in front of `start` and behind `end`, or
        where they are nearly parallel.
    """
    turn = remainder(end.heading - start.heading, 2.0 * pi)
    if abs(turn) < 0.35 or abs(turn) > 2.6:
        return None
    dx, dy = end.x - start.x, end.y - start.y
    cross = sin(turn)
    before = (dx * sin(end.heading) - dy * cos(end.heading)) / cross
    after = (dx * -sin(start.heading) + dy * cos(start.heading)) / cross
    if min(before, after) < 3.0:
        return None
    tangent = min(before, after) - max(0.0, min(straight_m, min(before, after) - 3.0))
    radius = tangent / tan(abs(turn) / 2.0)
    pieces = (
        Piece(before - tangent, 0.0),
        Piece(radius * abs(turn), np.sign(turn).item() / radius),
        Piece(after - tangent, 0.0),
    )
    return Curve(start, tuple(piece for piece in pieces if piece.length_m > _SHORTEST_PIECE_M))


def through(poses: list[Pose]) -> Curve:
    """A smooth curve through all poses in turn, two arcs between neighbours."""
    curve = biarc(poses[0], poses[1])
    for start, end in itertools.pairwise(poses[1:]):
        curve = curve.then(biarc(start, end))
    return curve
