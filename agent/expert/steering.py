"""Steering to a path with exact poses: the path's curvature ahead plus feedback.

The model is the kinematic bicycle (Rajamani, Vehicle Dynamics and Control, chapter 2) with the
actor's origin as reference point, so that the origin, not an axle, runs on the path. The feedback
gains follow from the wanted damping of the lateral error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agent.expert.lane_path import LanePath
from planner.frames import wrap_angle_rad
from planner.records import EgoState


@dataclass(frozen=True)
class SteeringSettings:
    """Car geometry and gains."""

    wheelbase_m: float = 2.85
    rear_axle_m: float = 1.42
    """From the actor's origin back to the rear axle."""
    curvature_per_steer: float = 0.2777
    """Curvature (1/m) that CARLA's cars drive per unit of steer in towns: World on Rails' fit
    (Chen, Koltun, Kraehenbuehl, ICCV 2021; steer gain 0.3685, axles -0.0908 and 1.4178 m)."""
    lateral_gain_per_s: float = 1.6
    softening_mps: float = 2.0
    damping: float = 0.9
    preview_s: float = 0.1
    """The car answers about two ticks late: steer for the pose that it will have then."""


def steer_to_path(
    path: LanePath,
    distance_m: float,
    ego: EgoState,
    yaw_rate_radps: float,
    settings: SteeringSettings,
) -> float:
    """Steer in [-1, 1], right positive, for an ego at about `distance_m` along the path."""
    speed_mps = max(ego.speed_mps, 0.0)
    ahead_m = settings.preview_s * speed_mps
    yaw_rad = ego.yaw_rad + settings.preview_s * yaw_rate_radps
    direction = np.array([math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)])
    along_m, lateral_m = path.locate(ego.position_world_m + ahead_m * direction, distance_m)

    index = path.index(along_m)
    curvature = float(path.curvature_per_m[index])
    sideslip_rad = math.asin(max(-0.8, min(0.8, settings.rear_axle_m * curvature)))
    heading_error_rad = wrap_angle_rad(float(path.yaw_rad[index]) - sideslip_rad - yaw_rad)

    stiffness = settings.lateral_gain_per_s / (speed_mps + settings.softening_mps)
    heading_gain = 2.0 * settings.damping * math.sqrt(stiffness * settings.wheelbase_m)
    angle_rad = (
        math.atan(settings.wheelbase_m * curvature / math.cos(sideslip_rad))
        + heading_gain * heading_error_rad
        - math.atan(stiffness * lateral_m)
    )
    wanted_per_m = math.tan(max(-1.2, min(1.2, angle_rad))) / settings.wheelbase_m
    return max(-1.0, min(1.0, wanted_per_m / settings.curvature_per_steer))
