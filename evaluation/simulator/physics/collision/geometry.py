"""Contacts between upright boxes, vectorised over pairs: separating axes in the ground plane.

Points and directions of the plane are complex numbers x + iy of CARLA's world: multiplying by i
turns forward into right, and `direction.conj() * vector` gives a vector's parts along a direction
(real) and to its right (imaginary).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.physics import exact

Floats = NDArray[np.float64]
Plane = NDArray[np.complex128]
Ints = NDArray[np.int64]

# Bodies must share this much height to touch, so that a car passes over what lies flat.
MIN_SHARED_HEIGHT_M = 0.05
# Below this speed of approach the axis of least overlap separates two bodies; above it the axis
# along which they met last.
SLOW_APPROACH_MPS = 0.2
INSIDE_TOLERANCE_M = 1e-3

_CORNERS = np.array([1.0 + 1.0j, 1.0 - 1.0j, -1.0 - 1.0j, -1.0 + 1.0j])


@dataclass(frozen=True)
class Boxes:
    """n upright boxes: middle and forward direction in the plane, height of the middle, half size.

    `half_m` (n, 3) is along the direction, across it and upwards.
    """

    middle_m: Plane
    axis: Plane
    z_m: Floats
    half_m: Floats

    @classmethod
    def of(cls, centre_m: Floats, half_m: Floats, yaw_rad: Floats) -> Boxes:
        """Make boxes from centres (n, 3), half extents (n, 3) and yaw angles (n,)."""
        middle = exact.plane(centre_m[:, 0], centre_m[:, 1])
        return cls(middle, exact.direction(yaw_rad), centre_m[:, 2], half_m)

    def take(self, rows: Ints) -> Boxes:
        """Return the boxes of these rows."""
        return Boxes(self.middle_m[rows], self.axis[rows], self.z_m[rows], self.half_m[rows])

    def followed_by(self, others: Boxes) -> Boxes:
        """Return these boxes and, after them, others."""
        return Boxes(
            np.concatenate((self.middle_m, others.middle_m)),
            np.concatenate((self.axis, others.axis)),
            np.concatenate((self.z_m, others.z_m)),
            np.concatenate((self.half_m, others.half_m)),
        )

    @property
    def radius_m(self) -> Floats:
        """Radius (n,) of the circle around each box."""
        return exact.length(self.half_m[:, 0], self.half_m[:, 1])


@dataclass(frozen=True)
class Touches:
    """Overlaps of box pairs.

    pair (m,) index of the pair; normal (m,) from the first to the second box; depth_m (m,) overlap
    along it; point_m (m,) the middle of the region both share.
    """

    pair: Ints
    normal: Plane
    depth_m: Floats
    point_m: Plane


def near_pairs(middle_m: Plane, radius_m: Floats) -> tuple[Ints, Ints]:
    """Return index pairs (i < j) of circles (n,) that overlap, by a sweep along x."""
    order = np.argsort(middle_m.real, kind="stable")
    x, radius = middle_m.real[order], radius_m[order]
    ends = np.searchsorted(x, x + radius + radius.max(initial=0.0), side="right")
    places = np.arange(len(order))
    counts = ends - places - 1
    first = np.repeat(places, counts)
    starts = np.cumsum(counts) - counts
    second = np.arange(len(first)) - np.repeat(starts, counts) + first + 1
    i, j = order[first], order[second]
    way = middle_m[i] - middle_m[j]
    close = exact.length(way.real, way.imag) < radius_m[i] + radius_m[j]
    i, j = i[close], j[close]
    return np.minimum(i, j), np.maximum(i, j)


def find_touches(a: Boxes, b: Boxes, approach_mps: Plane) -> Touches:
    """Test box k of `a` against box k of `b`; `approach_mps` (n,) is a's velocity minus b's."""
    between = b.middle_m - a.middle_m
    turn = exact.times(a.axis.conj(), b.axis)
    cos, sin = np.abs(turn.real), np.abs(turn.imag)
    # The four candidate axes of each pair: forward and right of a, forward and right of b.
    seen_from_a = exact.times(a.axis.conj(), between)
    seen_from_b = exact.times(b.axis.conj(), between)
    distance = np.stack(
        (seen_from_a.real, seen_from_a.imag, seen_from_b.real, seen_from_b.imag), axis=1
    )
    ax, ay, az = a.half_m.T
    bx, by, bz = b.half_m.T
    reach = np.stack(
        (
            ax + bx * cos + by * sin,
            ay + bx * sin + by * cos,
            bx + ax * cos + ay * sin,
            by + ax * sin + ay * cos,
        ),
        axis=1,
    )
    overlap = reach - np.abs(distance)
    shared_height_m = az + bz - np.abs(a.z_m - b.z_m)
    touching = np.flatnonzero((overlap.min(axis=1) > 0.0) & (shared_height_m > MIN_SHARED_HEIGHT_M))
    if not len(touching):
        return Touches(
            touching, np.zeros(0, np.complex128), np.zeros(0), np.zeros(0, np.complex128)
        )
    a, b = a.take(touching), b.take(touching)
    overlap, distance = overlap[touching], distance[touching]
    rights = [exact.plane(-axis.imag, axis.real) for axis in (a.axis, b.axis)]
    normals = np.stack((a.axis, rights[0], b.axis, rights[1]), axis=1)
    normals = np.where(distance < 0.0, -normals, normals)
    closing = exact.times(normals.conj(), approach_mps[touching, None]).real
    met_last = np.argmin(overlap / (np.maximum(closing, 0.0) + SLOW_APPROACH_MPS), axis=1)
    rows = np.arange(len(touching))
    return Touches(touching, normals[rows, met_last], overlap[rows, met_last], _shared_middle(a, b))


def _shared_middle(a: Boxes, b: Boxes) -> Plane:
    """Mean (n,) of the corners of either box that lie in the other."""
    points = np.concatenate((_corners(a), _corners(b)), axis=1)
    shared = _inside(points, a) & _inside(points, b)
    count = shared.sum(axis=1)
    several = np.maximum(count, 1)
    mean = exact.plane(
        *((part * shared).sum(axis=1) / several for part in (points.real, points.imag))
    )
    # Boxes that cross without a corner inside the other meet between what is nearest.
    between = 0.5 * (_nearest(a, b.middle_m) + _nearest(b, a.middle_m))
    return np.where(count > 0, mean, between)


def _nearest(boxes: Boxes, points: Plane) -> Plane:
    """The point (n,) of each box that is nearest to a point."""
    offset = exact.times(boxes.axis.conj(), points - boxes.middle_m)
    along = np.clip(offset.real, -boxes.half_m[:, 0], boxes.half_m[:, 0])
    across = np.clip(offset.imag, -boxes.half_m[:, 1], boxes.half_m[:, 1])
    nearest: Plane = boxes.middle_m + exact.times(boxes.axis, exact.plane(along, across))
    return nearest


def _corners(boxes: Boxes) -> Plane:
    along = boxes.half_m[:, :1] * _CORNERS.real
    across = boxes.half_m[:, 1:2] * _CORNERS.imag
    offset = exact.times(boxes.axis[:, None], exact.plane(along, across))
    corners: Plane = boxes.middle_m[:, None] + offset
    return corners


def _inside(points: Plane, boxes: Boxes) -> NDArray[np.bool_]:
    """Which points (n, k) lie in or on box n."""
    offset = exact.times(boxes.axis.conj()[:, None], points - boxes.middle_m[:, None])
    half = boxes.half_m + INSIDE_TOLERANCE_M
    inside: NDArray[np.bool_] = np.abs(offset.real) <= half[:, :1]
    return inside & (np.abs(offset.imag) <= half[:, 1:2])
