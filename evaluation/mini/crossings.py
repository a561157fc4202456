"""Ways through the junctions of a town, and lanes between them, for a route to be laid on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.routes.lane_graph import LaneGraph
from evaluation.routes.lanes import LaneId
from evaluation.simulator.town.opendrive_records import LIGHT_TYPES

F64 = NDArray[np.float64]

STOP_SIGN = "206"
SIGNAL_DISTANCE_M = 12.0
STRAIGHT_RAD = math.radians(35.0)


@dataclass(frozen=True)
class Way:
    """From a lane before a junction through it into a lane behind it: points (n, 3) about a metre
    apart, of which those from `enter` to `leave` lie in the junction."""

    approach: LaneId
    exit: LaneId
    junction_id: int
    points_world_m: F64
    enter: int
    leave: int
    control: str
    limit_mps: float

    @cached_property
    def distance_m(self) -> F64:
        steps = np.linalg.norm(np.diff(self.points_world_m[:, :2], axis=0), axis=1)
        return np.concatenate(([0.0], np.cumsum(steps)))

    @property
    def turn_rad(self) -> float:
        """Change of direction in the junction, to the right positive."""
        return math.remainder(self.yaw_rad(self.leave + 3) - self.yaw_rad(self.enter - 3), math.tau)

    @property
    def turn(self) -> str:
        if abs(self.turn_rad) < STRAIGHT_RAD:
            return "straight"
        return "right" if self.turn_rad > 0.0 else "left"

    def yaw_rad(self, index: int) -> float:
        here = min(max(index, 1), len(self.points_world_m) - 2)
        step = self.points_world_m[here + 1] - self.points_world_m[here - 1]
        return math.atan2(float(step[1]), float(step[0]))

    def comes_from(self, other: Way) -> str:
        """From which side the other comes to the junction, as seen by this one."""
        before_rad = self.yaw_rad(self.enter - 3)
        angle_rad = math.remainder(other.yaw_rad(other.enter - 3) - before_rad, math.tau)
        if abs(angle_rad) < STRAIGHT_RAD:
            return "behind"
        if abs(angle_rad) > math.pi - STRAIGHT_RAD:
            return "opposite"
        return "left" if angle_rad > 0.0 else "right"

    def meets(self, other: Way) -> tuple[float, float] | None:
        """Where both ways come to the same place first: the distances along this one and along the
        other; None if they do not."""
        apart_m = np.linalg.norm(
            self.points_world_m[:, None, :2] - other.points_world_m[None, :, :2], axis=2
        )
        touching = np.flatnonzero(apart_m[self.enter :].min(axis=1) < TOUCH_M)
        if not len(touching):
            return None
        here = self.enter + int(touching[0])
        return float(self.distance_m[here]), float(other.distance_m[int(np.argmin(apart_m[here]))])


TOUCH_M = 1.2


class Town:
    """What there is to choose from in a town."""

    def __init__(self, world_map: carla.Map, name: str) -> None:
        self.map = world_map
        self.name = name
        self.graph = LaneGraph(world_map)
        self._following = self.graph.successors()

    @cached_property
    def ways(self) -> list[Way]:
        return [way for lane in self.lanes for way in self._ways_from(lane)]

    @cached_property
    def lanes(self) -> list[LaneId]:
        """Lanes outside junctions."""
        return [one for one in self.graph.lane_ids() if not self.graph.in_junction(one)]

    def ways_by_junction(self) -> dict[int, list[Way]]:
        found: dict[int, list[Way]] = defaultdict(list)
        for way in self.ways:
            found[way.junction_id].append(way)
        return found

    def _ways_from(self, lane: LaneId) -> Iterator[Way]:
        approach = self.graph.lane_points_m(lane)
        for inside in self._following[lane]:
            if not self.graph.in_junction(inside):
                continue
            middle = self.graph.lane_points_m(inside)
            for out in self._following[inside]:
                if self.graph.in_junction(out):
                    continue
                end = self.graph.lane_points_m(out)
                before = self.waypoint(approach[-1])
                yield Way(
                    approach=lane,
                    exit=out,
                    junction_id=self.waypoint(middle[len(middle) // 2]).junction_id,
                    points_world_m=np.concatenate([approach[:-1], middle[:-1], end]),
                    enter=len(approach) - 1,
                    leave=len(approach) + len(middle) - 2,
                    control=self._control(approach),
                    limit_mps=self.limit_mps(before),
                )

    def _control(self, approach: F64) -> str:
        before = self.waypoint(approach[max(len(approach) - 10, 0)])
        kinds = {mark.type for mark in before.get_landmarks(SIGNAL_DISTANCE_M)}
        if kinds & LIGHT_TYPES:
            return "lights"
        return "stop" if STOP_SIGN in kinds else "priority"

    def waypoint(self, point_world_m: F64) -> carla.Waypoint:
        return self.map.get_waypoint(carla.Location(*(float(value) for value in point_world_m)))

    def limit_mps(self, waypoint: carla.Waypoint) -> float:
        """From the map's speed signs and types, 30 km/h without."""
        marks = waypoint.get_landmarks_of_type(200.0, "274", False)
        return float(marks[0].value) / 3.6 if marks else 30.0 / 3.6

    def edges_m(self, point_world_m: F64) -> tuple[float, float]:
        """From a lane's centre to the kerb on its right, and to the one across the street."""
        waypoint = self.waypoint(point_world_m)
        right_m = 0.5 * waypoint.lane_width
        beside = waypoint.get_right_lane()
        while beside is not None and beside.lane_type == carla.LaneType.Driving:
            right_m += beside.lane_width
            beside = beside.get_right_lane()
        left_m = 0.5 * waypoint.lane_width
        beside, own = waypoint.get_left_lane(), waypoint.lane_id > 0
        while beside is not None and beside.lane_type == carla.LaneType.Driving:
            left_m += beside.lane_width
            crossed = (beside.lane_id > 0) != own
            beside = beside.get_right_lane() if crossed else beside.get_left_lane()
        return right_m, left_m
