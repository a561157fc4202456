"""How much room there is beside the ego's path: its own lane, and the lanes to its sides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class LaneRoom:
    """Offsets from the path at one place, metres, right positive.

    `left_m` and `right_m` are the edges of the lane that the path runs in. `far_left_m` and
    `far_right_m` are the outer edges of the next lanes, equal to the lane's own where there is
    none; `left_oncoming` and `right_oncoming` say that these are driven the other way.
    """

    left_m: float
    right_m: float
    far_left_m: float
    far_right_m: float
    left_oncoming: bool
    right_oncoming: bool


def narrowest(rooms: Iterable[LaneRoom]) -> LaneRoom:
    """What is free at every one of some places."""
    rooms = list(rooms)
    return LaneRoom(
        left_m=max(room.left_m for room in rooms),
        right_m=min(room.right_m for room in rooms),
        far_left_m=max(room.far_left_m for room in rooms),
        far_right_m=min(room.far_right_m for room in rooms),
        left_oncoming=any(room.left_oncoming for room in rooms),
        right_oncoming=any(room.right_oncoming for room in rooms),
    )


def room_at(world_map: carla.Map, place_world_m: F64, yaw_rad: float, height_m: float) -> LaneRoom:
    """Room beside a place of the path, whose direction is `yaw_rad`; none where no lane is near."""
    x, y = (float(value) for value in place_world_m)
    waypoint = world_map.get_waypoint(carla.Location(x, y, height_m))
    if waypoint is None:
        return LaneRoom(0.0, 0.0, 0.0, 0.0, False, False)
    right = np.array([-np.sin(yaw_rad), np.cos(yaw_rad)])
    centre = waypoint.transform.location
    offset_m = float((np.array([centre.x, centre.y]) - place_world_m) @ right)
    half_m = 0.5 * float(waypoint.lane_width)
    if waypoint.is_junction:  # the nearest lane there may lead anywhere: only the path's counts
        return LaneRoom(-half_m, half_m, -half_m, half_m, False, False)
    left_m, right_m = offset_m - half_m, offset_m + half_m
    left_width_m, left_oncoming = _beside(waypoint.get_left_lane(), yaw_rad)
    right_width_m, right_oncoming = _beside(waypoint.get_right_lane(), yaw_rad)
    if np.cos(np.radians(waypoint.transform.rotation.yaw) - yaw_rad) < 0.0:
        left_width_m, right_width_m = right_width_m, left_width_m
        left_oncoming, right_oncoming = right_oncoming, left_oncoming
    return LaneRoom(
        left_m=left_m,
        right_m=right_m,
        far_left_m=left_m - left_width_m,
        far_right_m=right_m + right_width_m,
        left_oncoming=left_oncoming,
        right_oncoming=right_oncoming,
    )


def _beside(waypoint: carla.Waypoint | None, yaw_rad: float) -> tuple[float, bool]:
    """Width of a lane that may be driven on, and whether it leads the other way."""
    if waypoint is None or waypoint.lane_type != carla.LaneType.Driving:
        return 0.0, False
    turn_rad = np.radians(waypoint.transform.rotation.yaw) - yaw_rad
    return float(waypoint.lane_width), bool(np.cos(turn_rad) < 0.0)
