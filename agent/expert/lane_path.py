"""A drivable line through the world: equally spaced points with heading and curvature.

World frame as in CARLA (x east, y south, metres); yaw in radians, clockwise positive, so a
positive curvature bends to the right and a positive lateral offset lies to the right of the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from planner.route import Polyline

F64 = NDArray[np.float64]

SPACING_M = 0.5
"""Distance between neighbouring points of a path."""
SMOOTHING_M = 1.0
"""Standard deviation of the Gaussian that rounds the kinks between lanes."""
CURVATURE_SMOOTHING_M = 1.5
"""The same for the curvature, which a second derivative makes noisy."""
SEARCH_BEHIND_M = 5.0
SEARCH_AHEAD_M = 15.0


@dataclass(frozen=True)
class LanePath:
    """Points every `SPACING_M` metres along a line.

    Attributes:
        points_world_m: (n, 2).
        yaw_rad: (n,) unwrapped direction of travel (continuous, may leave (-pi, pi]).
        curvature_per_m: (n,) change of yaw per metre, positive to the right.
    """

    points_world_m: F64
    yaw_rad: F64
    curvature_per_m: F64

    @property
    def length_m(self) -> float:
        """Length from the first to the last point."""
        return (len(self.points_world_m) - 1) * SPACING_M

    @cached_property
    def _grid_m(self) -> F64:
        """How far along the path its points are (n,)."""
        grid_m: F64 = np.arange(len(self.points_world_m), dtype=np.float64) * SPACING_M
        return grid_m

    @cached_property
    def _axes_m(self) -> tuple[F64, F64]:
        """The points' world x and y (n,), each in one piece."""
        x, y = np.ascontiguousarray(self.points_world_m.T)
        return x, y

    def index(self, distance_m: float) -> int:
        """Index of the point at a distance along the path, clipped to its ends."""
        return min(max(round(distance_m / SPACING_M), 0), len(self.points_world_m) - 1)

    def yaw_at_rad(self, distance_m: float) -> float:
        """Direction of travel at a distance along the path, clipped to its ends."""
        return float(self.yaw_rad[self.index(distance_m)])

    def point_world_m(self, distance_m: float | F64) -> F64:
        """(2,) or (m, 2) point at distances along the path; goes straight on beyond the ends."""
        distance = np.asarray(distance_m, dtype=np.float64)
        inside = np.clip(distance, 0.0, self.length_m)
        point = np.stack([np.interp(inside, self._grid_m, axis) for axis in self._axes_m], axis=-1)
        yaw = np.where(distance > inside, self.yaw_rad[-1], self.yaw_rad[0])
        beyond = (distance - inside)[..., None]
        beyond_world_m: F64 = point + beyond * np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
        return beyond_world_m

    def locate(self, position_world_m: F64, near_m: float | None = None) -> tuple[float, float]:
        """Distance along the path and lateral offset (right positive) of a position, metres.

        `near_m` narrows the search to a window around a distance known from the tick before, so
        that a route that crosses itself is not entered at the wrong passage.
        """
        first, last = 0, len(self.points_world_m) - 1
        if near_m is not None:
            first = self.index(near_m - SEARCH_BEHIND_M)
            last = self.index(near_m + SEARCH_AHEAD_M)
        window = self.points_world_m[first : last + 1]
        offset = position_world_m - window
        nearest = first + int(np.argmin(np.einsum("ij,ij->i", offset, offset)))
        yaw = self.yaw_rad[nearest]
        delta = position_world_m - self.points_world_m[nearest]
        along = float(delta[0] * np.cos(yaw) + delta[1] * np.sin(yaw))
        lateral = float(-delta[0] * np.sin(yaw) + delta[1] * np.cos(yaw))
        along = float(np.clip(along, -SPACING_M, SPACING_M))
        return nearest * SPACING_M + along, lateral

    def frenet(self, points_world_m: F64, from_m: float, to_m: float) -> tuple[F64, F64, F64]:
        """Distance along the path, lateral offset and path yaw for points (..., 2).

        Only the stretch from `from_m` to `to_m` is searched. Points beside its ends get the
        offset to the end point, so that they lie far away laterally or along.
        """
        first, last = self.index(from_m), self.index(to_m)
        x, y = (axis[first : last + 1] for axis in self._axes_m)
        squared = np.subtract(points_world_m[..., 0, None], x)
        squared *= squared
        across = np.subtract(points_world_m[..., 1, None], y)
        across *= across
        squared += across
        nearest = first + np.argmin(squared, axis=-1)
        yaw = self.yaw_rad[nearest]
        delta = points_world_m - self.points_world_m[nearest]
        along = delta[..., 0] * np.cos(yaw) + delta[..., 1] * np.sin(yaw)
        lateral = -delta[..., 0] * np.sin(yaw) + delta[..., 1] * np.cos(yaw)
        return nearest * SPACING_M + along, lateral, yaw


def build_path(points_world_m: F64) -> LanePath:
    """Path through points (n, 2) in driving order, about a metre apart.

    Repeated points are dropped, kinks rounded.

    Raises:
        ValueError: fewer than two different points, or one that is not finite.
    """
    line = Polyline(np.asarray(points_world_m, dtype=np.float64)[:, :2])
    if line.length_m == 0.0:
        raise ValueError("a path needs two different points; check the route's positions")
    even = line.point_at(np.arange(0.0, max(line.length_m, SPACING_M) + 1e-9, SPACING_M))
    if len(even) > 4:
        even = _smooth(even, SMOOTHING_M)
    yaw = np.unwrap(_direction_rad(even))
    curvature = np.gradient(yaw, SPACING_M) if len(even) > 2 else np.zeros(len(even))
    if len(even) > 4:
        curvature = gaussian_filter1d(curvature, CURVATURE_SMOOTHING_M / SPACING_M, mode="nearest")
    return LanePath(points_world_m=even, yaw_rad=yaw, curvature_per_m=curvature)


def _smooth(points_m: F64, deviation_m: float) -> F64:
    """Gaussian along the line; the ends are continued straight, so they keep place and heading."""
    pad = int(4.0 * deviation_m / SPACING_M)
    back = np.arange(-pad, 0)[:, None]
    ahead = np.arange(1, pad + 1)[:, None]
    before = points_m[0] + back * (points_m[1] - points_m[0])
    after = points_m[-1] + ahead * (points_m[-1] - points_m[-2])
    padded = np.concatenate((before, points_m, after))
    smooth: F64 = gaussian_filter1d(padded, deviation_m / SPACING_M, axis=0)[pad:-pad]
    return smooth


def _direction_rad(points_m: F64) -> F64:
    gradient = np.gradient(points_m, axis=0)
    direction: F64 = np.arctan2(gradient[:, 1], gradient[:, 0])
    return direction
