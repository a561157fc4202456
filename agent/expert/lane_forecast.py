"""Forecast of cars that keep to their lanes: better than straight lines wherever roads bend.

Lane centres are cached per lane, so that a forecast costs one map look-up per car.
"""

from __future__ import annotations

from collections.abc import Callable

import carla
import numpy as np
from numpy.typing import NDArray

from agent.expert.road_users import Forecast, RoadUsers, forecast

F64 = NDArray[np.float64]
LaneKey = tuple[int, int, int]

STEP_M = 2.0
MIN_SPEED_MPS = 0.5
MAX_LATERAL_M = 1.2
MAX_HEADING_RAD = np.radians(25.0)
MAX_LANE_POINTS = 5000
MAX_LANES = 12


class LaneForecaster:
    """Forecasts road users; `blocked(lane)` tells whether the end of a lane shows red."""

    def __init__(self, world_map: carla.Map, blocked: Callable[[LaneKey], bool]) -> None:
        self._map = world_map
        self._blocked = blocked
        self._lanes: dict[LaneKey, tuple[F64, carla.Waypoint | None]] = {}

    def __call__(self, users: RoadUsers, times_s: F64) -> Forecast:
        """Boxes at the given times (t,), the first of which is now."""
        ahead = forecast(users, times_s)
        speeds_mps = users.speeds_mps
        for row, kind in enumerate(users.kinds):
            if kind == "vehicle" and speeds_mps[row] > MIN_SPEED_MPS:
                self._along_lane(ahead, users, row, float(speeds_mps[row]))
        return ahead

    def _along_lane(self, ahead: Forecast, users: RoadUsers, row: int, speed_mps: float) -> None:
        """Replace row `row` of the forecast when the car is well inside a lane."""
        x, y = (float(v) for v in users.centres_world_m[row])
        waypoint = self._map.get_waypoint(carla.Location(x, y, users.heights_m[row]))
        if waypoint is None or waypoint.is_junction:
            return
        yaw = np.radians(waypoint.transform.rotation.yaw)
        location = waypoint.transform.location
        lateral_m = -(x - location.x) * np.sin(yaw) + (y - location.y) * np.cos(yaw)
        heading = np.remainder(users.yaws_rad[row] - yaw + np.pi, 2.0 * np.pi) - np.pi
        if abs(lateral_m) > MAX_LATERAL_M or abs(heading) > MAX_HEADING_RAD:
            return
        reach_m = speed_mps * float(ahead.times_s[-1])
        line, is_stopped = self._line(waypoint, reach_m + STEP_M)
        grid = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))))
        travel = speed_mps * ahead.times_s
        if is_stopped:
            travel = np.minimum(travel, max(grid[-1] - users.half_extents_m[row, 0], 0.0))
        elif grid[-1] < reach_m:
            return
        if len(line) < 2:
            return
        direction = np.gradient(line, axis=0)
        yaws = np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))
        at_yaw = np.interp(travel, grid, yaws)
        centre = np.stack([np.interp(travel, grid, line[:, axis]) for axis in (0, 1)], axis=1)
        centre += lateral_m * np.stack([-np.sin(at_yaw), np.cos(at_yaw)], axis=1)
        ahead.centres_world_m[row] = centre
        ahead.yaws_rad[row] = at_yaw

    def _line(self, waypoint: carla.Waypoint, length_m: float) -> tuple[F64, bool]:
        """Lane centre from a waypoint on; the flag says that it ends at a red light."""
        location = waypoint.transform.location
        start = np.array([[location.x, location.y]])
        points, follower = self._lane(waypoint)
        offset = np.linalg.norm(points - start, axis=1)
        pieces = [start, points[int(np.argmin(offset)) + 1 :]]
        total_m = STEP_M * len(pieces[1])
        key = _key(waypoint)
        for _ in range(MAX_LANES):
            if total_m >= length_m or follower is None:
                break
            if self._blocked(key):
                return np.concatenate(pieces), True
            key = _key(follower)
            points, follower = self._lane(follower)
            pieces.append(points)
            total_m += STEP_M * len(points)
        return np.concatenate(pieces), False

    def _lane(self, waypoint: carla.Waypoint) -> tuple[F64, carla.Waypoint | None]:
        """Points of a whole lane and the lane that goes on straightest from its end."""
        key = _key(waypoint)
        if key not in self._lanes:
            before = _walk(waypoint, carla.Waypoint.previous)
            chain = [*before[::-1], waypoint, *_walk(waypoint, carla.Waypoint.next)]
            points = np.array([(w.transform.location.x, w.transform.location.y) for w in chain])
            gaps = np.linalg.norm(np.diff(points, axis=0), axis=1)
            points = points[np.concatenate(([True], gaps > 0.01))]
            yaw = chain[-1].transform.rotation.yaw
            choices = [w for w in chain[-1].next(STEP_M) if _key(w) != key]
            follower = max(
                choices,
                key=lambda w: np.cos(np.radians(_far_yaw_deg(w) - yaw)),
                default=None,
            )
            self._lanes[key] = (points, follower)
        return self._lanes[key]


def _walk(
    waypoint: carla.Waypoint, step: Callable[[carla.Waypoint, float], list[carla.Waypoint]]
) -> list[carla.Waypoint]:
    """The lane's waypoints ahead of one or behind it, nearest first.

    The wheel's own walks to the ends of a lane crash the process where no lane goes on.
    """
    found: list[carla.Waypoint] = []
    here = waypoint
    while len(found) < MAX_LANE_POINTS:
        further = [w for w in step(here, STEP_M) if _key(w) == _key(waypoint)]
        if not further or further[0].s == here.s:
            break
        here = further[0]
        found.append(here)
    return found


def _key(waypoint: carla.Waypoint) -> LaneKey:
    return (waypoint.road_id, waypoint.section_id, waypoint.lane_id)


def _far_yaw_deg(waypoint: carla.Waypoint) -> float:
    """Heading at the end of the lane: ways through a junction all start the same."""
    chain = [waypoint, *_walk(waypoint, carla.Waypoint.next)]
    return float(chain[-1].transform.rotation.yaw)
