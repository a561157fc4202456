"""The ground that others may drive over in the junctions of a route, if anybody comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

from agent.expert.lane_path import LanePath

F64 = NDArray[np.float64]

STEP_M = 1.0
MAX_STEPS = 150
HALF_EXTENT_M = (2.5, 1.0)
"""Of a car that drives along the middle of its lane: half its length and half its width."""
OWN_ROAD_M = 12.0
OWN_WAY_RAD = np.radians(40.0)
"""Ways that begin this near to where the route enters a junction, and lead in by an angle smaller
than this to it, come from the ego's own road: they do not cross it."""


@dataclass(frozen=True)
class JunctionWays:
    """Where cars from other roads may be in one junction.

    Attributes:
        enter_m, leave_m: the stretch of the route's path that lies in it.
        centres_world_m: (m, 2) middles of boxes of `HALF_EXTENT_M`, about a metre apart.
        yaws_rad: (m,) their directions.
    """

    enter_m: float
    leave_m: float
    centres_world_m: F64
    yaws_rad: F64


def junction_ways(
    path: LanePath,
    junctions_m: Sequence[tuple[float, float]],
    world_map: carla.Map,
    height_m: float,
) -> tuple[JunctionWays, ...]:
    """The ways of others through each of the junctions; those not found on the map are left out.

    `height_m` is the route's: where roads cross on two levels, the nearer one is meant.
    """
    found = []
    for enter_m, leave_m in junctions_m:
        x, y = path.point_world_m(0.5 * (enter_m + leave_m)).tolist()
        waypoint = world_map.get_waypoint(carla.Location(x, y, height_m))
        junction = waypoint.get_junction() if waypoint is not None else None
        if junction is None:
            continue
        boxes = [
            box
            for begin, _ in junction.get_waypoints(carla.LaneType.Driving)
            if not _from_own_road(begin, path, enter_m)
            for box in _along(begin)
        ]
        if boxes:
            table = np.array(boxes)
            found.append(JunctionWays(enter_m, leave_m, table[:, :2], table[:, 2]))
    return tuple(found)


def _from_own_road(begin: carla.Waypoint, path: LanePath, enter_m: float) -> bool:
    pose = begin.transform
    away = path.point_world_m(enter_m) - (pose.location.x, pose.location.y)
    turn = np.radians(pose.rotation.yaw) - path.yaw_at_rad(enter_m)
    return bool(np.hypot(*away) < OWN_ROAD_M and np.cos(turn) > np.cos(OWN_WAY_RAD))


def _along(begin: carla.Waypoint) -> list[tuple[float, float, float]]:
    """Places and directions along a lane, from its begin on."""
    found: list[tuple[float, float, float]] = []
    here: carla.Waypoint | None = begin
    while here is not None and len(found) < MAX_STEPS:
        pose = here.transform
        found.append((pose.location.x, pose.location.y, np.radians(pose.rotation.yaw)))
        further = here.next(STEP_M)
        same = [one for one in further if one.road_id == begin.road_id]
        here = same[0] if same else None
    return found
