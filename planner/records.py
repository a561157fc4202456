"""Records that pass between the agent, the planner and those who judge them.

Frames and units are those of `planner.frames`: metres, radians, metres per second; world axes as
in CARLA (x east, y south), ego axes x forward, y right with the origin at the vehicle actor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


class Command(IntEnum):
    """What a route asks for at a point; the numbers are those of CARLA's `RoadOption`."""

    VOID = -1
    LEFT = 1
    RIGHT = 2
    STRAIGHT = 3
    LANE_FOLLOW = 4
    CHANGE_LANE_LEFT = 5
    CHANGE_LANE_RIGHT = 6

    @property
    def is_lane_change(self) -> bool:
        """Whether the command leaves the present lane sideways."""
        return self in (Command.CHANGE_LANE_LEFT, Command.CHANGE_LANE_RIGHT)


@dataclass(frozen=True)
class EgoState:
    """Pose and forward speed of the ego vehicle.

    Attributes:
        position_world_m: (2,) float64, the vehicle actor's location.
        yaw_rad: heading, clockwise positive seen from above, in (-pi, pi].
        speed_mps: signed forward speed.
    """

    position_world_m: FloatArray
    yaw_rad: float
    speed_mps: float


@dataclass(frozen=True)
class Target:
    """A sparse goal point of the route, with the command that holds there.

    Attributes:
        position_world_m: (2,) float64.
        command: what to do at the point.
    """

    position_world_m: FloatArray
    command: Command


@dataclass(frozen=True)
class Plan:
    """What the network proposes: where to drive (route) and how fast (waypoints).

    Attributes:
        route_ego_m: (R, 2) points in space, first one nearest the ego.
        waypoints_ego_m: (W, 2) future positions; row k is reached (k + 1) intervals from now.
        waypoint_interval_s: time between two waypoints.
    """

    route_ego_m: FloatArray
    waypoints_ego_m: FloatArray
    waypoint_interval_s: float = 0.25


@dataclass(frozen=True)
class Control:
    """Actuation of one tick: `steer` in [-1, 1], right positive; the other two in [0, 1]."""

    steer: float
    throttle: float
    brake: float
