"""What the expert did, as the network should see it: waypoints, route, and the shifted camera.

Everything here is plain numpy in the ego frame (x forward, y right, metres). The augmented
cameras are moved sideways and turned; seen from there, the same labels lie elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.route import ROUTE_SPACING_M, ahead_of_ego

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class CameraShift:
    """Where the augmented cameras were: to the right in metres, clockwise in radians."""

    translation_m: float
    rotation_rad: float

    def seen(self, points_ego_m: F64) -> F64:
        """The same points (..., 2) from the shifted ego: R(yaw)^T (p - [0, translation])."""
        cos, sin = np.cos(self.rotation_rad), np.sin(self.rotation_rad)
        rotation = np.array([[cos, -sin], [sin, cos]])
        shifted: F64 = (points_ego_m - np.array([0.0, self.translation_m])) @ rotation
        return shifted


NO_SHIFT = CameraShift(0.0, 0.0)


def future_waypoints(world_from_ego: F64, count: int) -> F64:
    """Positions of the coming frames in the ego frame of each frame.

    Args:
        world_from_ego: (n, 4, 4) poses of frames FRAME_INTERVAL_S apart; NaN where unknown.
        count: how many coming frames.

    Returns:
        (n, count, 2); NaN where a pose is unknown or the recording ends before.
    """
    frames = len(world_from_ego)
    waypoints = np.full((frames, count, 2), np.nan)
    rotation, position = world_from_ego[:, :3, :3], world_from_ego[:, :3, 3]
    for step in range(1, min(count, frames - 1) + 1):
        way = position[step:] - position[:-step]
        # The transpose of a rotation is its inverse: columns of world_from_ego are the ego's axes.
        waypoints[:-step, step - 1] = np.einsum("nji,nj->ni", rotation[:-step], way)[:, :2]
    return waypoints


def equally_spaced(points_ego_m: F64, count: int, spacing_m: float = ROUTE_SPACING_M) -> F64:
    """Points at equal distances along the path from the ego over the given points.

    Args:
        points_ego_m: (n, 2); points that are not ahead of the ego, and NaN, are left out.

    Returns:
        (count, 2), the first at the ego itself; NaN beyond the end of the path.
    """
    path = np.concatenate([np.zeros((1, 2)), ahead_of_ego(points_ego_m)])
    along_m = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    wanted_m = spacing_m * np.arange(count)
    columns = [np.interp(wanted_m, along_m, path[:, axis], right=np.nan) for axis in (0, 1)]
    return np.stack(columns, axis=1)
