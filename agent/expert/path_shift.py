"""The line that is driven: the route's own, moved aside where something has to be passed.

A moved path keeps the route's numbering: point i lies beside point i of the route, so distances
along the route (stop lines, lane changes, the end) stay what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from agent.expert.lane_path import CURVATURE_SMOOTHING_M, SPACING_M, LanePath

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """A stretch beside the route: `offset_m` to the right (negative: to the left) between `full_m`
    and `back_m`, reached from `start_m` on and left again until `end_m`; metres along the route.
    `oncoming` says that it leads into a lane of the other direction."""

    start_m: float
    full_m: float
    back_m: float
    end_m: float
    offset_m: float
    oncoming: bool = False

    @property
    def curvature_per_m(self) -> float:
        """Largest one of the way out: the quintic's second derivative, whose maximum is 5.77."""
        return 5.77 * abs(self.offset_m) / (self.full_m - self.start_m) ** 2

    def offset_at_m(self, distance_m: F64) -> F64:
        """Offset at distances (n,) along the route."""
        rising = smooth_step((distance_m - self.start_m) / (self.full_m - self.start_m))
        falling = smooth_step((self.end_m - distance_m) / (self.end_m - self.back_m))
        offset: F64 = self.offset_m * np.minimum(rising, falling)
        return offset


def smooth_step(fraction: F64) -> F64:
    """0 below 0, 1 above 1, in between the quintic with no jump in curvature."""
    t = np.clip(fraction, 0.0, 1.0)
    step: F64 = t**3 * (10.0 + t * (6.0 * t - 15.0))
    return step


def shift_path(path: LanePath, shifts: Sequence[Shift]) -> LanePath:
    """The path moved aside by all shifts; where two overlap, the larger offset counts."""
    offset = np.zeros(len(path.points_world_m))
    distance: F64 = SPACING_M * np.arange(len(offset), dtype=np.float64)
    for shift in shifts:
        other = shift.offset_at_m(distance)
        offset = np.where(np.abs(other) > np.abs(offset), other, offset)
    return moved_aside(path, offset)


def moved_aside(path: LanePath, offset_m: F64) -> LanePath:
    """The path with each point moved to the right by its offset (n,)."""
    touched = np.flatnonzero(offset_m)
    if len(touched) == 0:
        return path
    right = np.stack([-np.sin(path.yaw_rad), np.cos(path.yaw_rad)], axis=1)
    points = path.points_world_m + offset_m[:, None] * right
    step = np.gradient(points, axis=0)
    length = np.maximum(np.linalg.norm(step, axis=1), 0.1 * SPACING_M)
    yaw = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    curvature = gaussian_filter1d(
        np.gradient(yaw) / length, CURVATURE_SMOOTHING_M / SPACING_M, mode="nearest"
    )
    margin = int(4.0 * CURVATURE_SMOOTHING_M / SPACING_M)
    moved = slice(max(int(touched[0]) - margin, 0), int(touched[-1]) + margin + 1)
    yaw += path.yaw_rad[moved.start] - yaw[moved.start]
    new_yaw, new_curvature = path.yaw_rad.copy(), path.curvature_per_m.copy()
    new_yaw[moved], new_curvature[moved] = yaw[moved], curvature[moved]
    return LanePath(points_world_m=points, yaw_rad=new_yaw, curvature_per_m=new_curvature)
