"""Coordinate frames and the transforms between them.

======= ============================ ======== ====== ==== ============================= ==========
frame   origin                       x        y      z    angle                         suffix
======= ============================ ======== ====== ==== ============================= ==========
world   the map's origin             east     south  up   yaw: 0 along x, clockwise     `_world_m`
ego     the vehicle actor's location forward  right  up   relative to ego, clockwise    `_ego_m`
GPS     equator, Greenwich           east     north  up   latitude, longitude           `_deg`
compass world, 0 = north = -y        --       --     --   clockwise: yaw + pi/2         `_rad`
======= ============================ ======== ====== ==== ============================= ==========

World and ego are left-handed, as in CARLA. Angles are radians in (-pi, pi] except where GPS or
CARLA itself is spoken to. Transforms are named destination first: `ego_from_world` takes world
points and returns ego points.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from planner.records import EgoState, FloatArray


def wrap_angle_rad(angle_rad: float) -> float:
    """Bring a finite angle into (-pi, pi]; NaN and infinities become NaN."""
    if not math.isfinite(angle_rad):
        return math.nan
    wrapped = math.remainder(angle_rad, 2.0 * math.pi)
    return math.pi if wrapped <= -math.pi else wrapped


def yaw_from_compass_rad(compass_rad: float) -> float:
    """World yaw of a compass reading; a NaN reading (CARLA sends one now and then) stays NaN."""
    return wrap_angle_rad(compass_rad - math.pi / 2.0)


def rotation(yaw_rad: float) -> FloatArray:
    """(2, 2) matrix that turns ego directions into world directions for an ego of this yaw."""
    cosine, sine = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([[cosine, -sine], [sine, cosine]])


def ego_from_world(points_world_m: npt.ArrayLike, ego: EgoState) -> FloatArray:
    """Express world points in the ego frame: (n, 2) or (2,) metres in, (n, 2) out."""
    offset_world_m = _as_points(points_world_m) - ego.position_world_m
    return offset_world_m @ rotation(ego.yaw_rad)


def world_from_ego(points_ego_m: npt.ArrayLike, ego: EgoState) -> FloatArray:
    """Express ego points in the world frame: (n, 2) or (2,) metres in, (n, 2) out."""
    return _as_points(points_ego_m) @ rotation(ego.yaw_rad).T + ego.position_world_m


def _as_points(points_m: npt.ArrayLike) -> FloatArray:
    points = np.atleast_2d(np.asarray(points_m, dtype=np.float64))
    if points.size == 0:
        return np.empty((0, 2))
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must have the shape (n, 2), got {np.shape(points_m)}")
    return points
