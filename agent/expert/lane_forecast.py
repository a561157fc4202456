"""Forecast of cars that keep to their lanes: better than straight lines wherever roads bend.

In a junction, where lanes overlap, a car is taken to follow the one that fits its place, heading
and turn rate best. Lane centres are cached per lane, so that a forecast costs one map look-up per
car.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import carla
import numpy as np
from numpy.typing import NDArray

from agent.expert.queue_start import starting_way_m
from agent.expert.road_users import Forecast, RoadUsers, forecast

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
LaneKey = tuple[int, int, int]

STEP_M = 2.0
MIN_SPEED_MPS = 0.5
MAX_LATERAL_M = 1.2
MAX_HEADING_RAD = np.radians(25.0)
HEADING_WEIGHT_M = 3.0
TURN_WEIGHT_MS = 1.0
"""How much a heading that is off by a radian, and a turn rate by a radian per second, count beside
a metre to the side, when the lane that fits best is looked for."""
MAX_LANE_POINTS = 5000
MAX_LANES = 12
RUN_M = 400.0
"""How far the lanes that follow one are looked along: more than anybody drives in a forecast."""
NEAR_LINE_M = 1.0
STOPS_MPS2 = 3.5
"""Who would have to brake harder than this for a red light is taken to run it."""


@dataclass(frozen=True)
class Lane:
    """Centre of a lane from its begin to its end, and the lane that goes on straightest."""

    key: LaneKey
    points_world_m: F64  # (n, 2)
    follower: carla.Waypoint | None

    def nearest(self, position_world_m: F64) -> tuple[int, F64, float, float]:
        """Of the piece of the centre nearest to a position: its index, the foot of the
        perpendicular on it (2,), its direction, and the offset to its right."""
        begins, along, length2_m2 = self._pieces
        from_begin = position_world_m - begins
        share = np.einsum("ij,ij->i", from_begin, along) / length2_m2
        share = np.minimum(np.maximum(share, 0.0), 1.0)[:, None]
        away = from_begin - share * along
        index = int(np.argmin(np.einsum("ij,ij->i", away, away)))
        (right_x, right_y), (x, y) = away[index].tolist(), along[index].tolist()
        right_m = (right_y * x - right_x * y) / math.hypot(x, y)
        return index, position_world_m - away[index], math.atan2(y, x), right_m

    @cached_property
    def _pieces(self) -> tuple[F64, F64, F64]:
        """Begins and vectors (n - 1, 2) of the pieces of the centre, and their squared lengths."""
        along = np.diff(self.points_world_m, axis=0)
        length2_m2: F64 = np.maximum(np.einsum("ij,ij->i", along, along), 1e-9)
        return self.points_world_m[:-1], along, length2_m2

    def bend_per_m(self, index: int) -> float:
        """Curvature about a piece of the centre, positive to the right."""
        if index not in self._bends_per_m:
            self._bends_per_m[index] = self._bend_about(index)
        return self._bends_per_m[index]

    @cached_property
    def _bends_per_m(self) -> dict[int, float]:
        """Those that were asked for."""
        return {}

    def _bend_about(self, index: int) -> float:
        around = self.points_world_m[max(index - 1, 0) : index + 3]
        steps = np.diff(around, axis=0)
        yaws = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
        way_m = float(np.linalg.norm(steps[:-1], axis=1).sum())
        return float(yaws[-1] - yaws[0]) / way_m if way_m > 0.0 else 0.0


@dataclass(frozen=True)
class _OnLane:
    """Where a car is on a lane, see `Lane.nearest`; its heading against the lane's."""

    lane: Lane
    index: int
    foot_world_m: F64
    right_m: float
    heading_rad: float

    @property
    def is_inside(self) -> bool:
        return abs(self.right_m) <= MAX_LATERAL_M and abs(self.heading_rad) <= MAX_HEADING_RAD


@dataclass(frozen=True)
class _Run:
    """A lane and those that follow it as one line: its points (n, 2), how far along it they are
    (n,), its direction there (n,), and where lanes end that others follow."""

    points_world_m: F64
    places_m: F64
    yaws_rad: F64
    ends: tuple[tuple[float, LaneKey], ...]

    @classmethod
    def of(cls, points_world_m: F64, ends: Sequence[tuple[int, LaneKey]]) -> _Run:
        """`ends` tells the last point of each lane but the last one."""
        steps = np.diff(points_world_m, axis=0)
        places = np.concatenate(([0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))))
        # Where two lanes share a point, the direction is that of the points around it.
        apart = np.concatenate(([True], np.diff(places) > 0.01))
        direction = np.gradient(points_world_m[apart], axis=0)
        yaws = np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))
        return cls(
            points_world_m,
            places,
            np.interp(places, places[apart], yaws),
            tuple((float(places[index]), key) for index, key in ends),
        )

    def place_m(self, index: int, foot_world_m: F64) -> float:
        """How far along the line a foot on the piece after point `index` is."""
        x, y = (foot_world_m - self.points_world_m[index]).tolist()
        return float(self.places_m[index]) + math.hypot(x, y)


class LaneForecaster:
    """Forecasts road users; `blocked(lane)` tells whether the end of a lane shows red."""

    def __init__(self, world_map: carla.Map, blocked: Callable[[LaneKey], bool]) -> None:
        self._map = world_map
        self._blocked = blocked
        self._lanes: dict[LaneKey, Lane] = {}
        self._runs: dict[LaneKey, _Run] = {}
        self._junctions: dict[int, list[carla.Waypoint]] = {}

    def __call__(self, users: RoadUsers, times_s: F64, starts: Mask | None = None) -> Forecast:
        """Boxes at the given times (t,), the first of which is now; those of the users (n,) that
        `starts` marks drive off along their lanes."""
        ahead = forecast(users, times_s)
        speeds_mps = users.speeds_mps
        for row, kind in enumerate(users.kinds):
            speed_mps = float(speeds_mps[row])
            if starts is not None and starts[row]:
                self._along_lane(ahead, users, row, starting_way_m(speed_mps, times_s))
            elif kind == "vehicle" and speed_mps > MIN_SPEED_MPS:
                self._along_lane(ahead, users, row, speed_mps * times_s)
        return ahead

    def _along_lane(self, ahead: Forecast, users: RoadUsers, row: int, way_m: F64) -> None:
        """Replace row `row` of the forecast, which drives `way_m` (t,), when the car is well inside
        a lane."""
        speed_mps = float(users.speeds_mps[row])
        on_lane = self._place_on_lane(users, row, speed_mps)
        if on_lane is None or not on_lane.is_inside:
            return
        run = self._run(on_lane.lane)
        start_m = run.place_m(on_lane.index, on_lane.foot_world_m)
        travel = start_m + way_m
        for end_m, lane_key in run.ends:
            if end_m > travel[-1]:
                break
            if end_m >= start_m and self._blocked(lane_key):
                stop_m = max(end_m - float(users.half_extents_m[row, 0]), start_m)
                if speed_mps**2 <= 2.0 * STOPS_MPS2 * max(stop_m - start_m, NEAR_LINE_M):
                    travel = np.minimum(travel, stop_m)
                break
        if travel[-1] > run.places_m[-1]:
            return
        at_yaw = np.interp(travel, run.places_m, run.yaws_rad)
        right_m = on_lane.right_m
        centres = ahead.centres_world_m[row]
        centres[:, 0] = np.interp(travel, run.places_m, run.points_world_m[:, 0])
        centres[:, 1] = np.interp(travel, run.places_m, run.points_world_m[:, 1])
        centres[:, 0] -= right_m * np.sin(at_yaw)
        centres[:, 1] += right_m * np.cos(at_yaw)
        ahead.yaws_rad[row] = at_yaw

    def _place_on_lane(self, users: RoadUsers, row: int, speed_mps: float) -> _OnLane | None:
        x, y = (float(v) for v in users.centres_world_m[row])
        waypoint = self._map.get_waypoint(carla.Location(x, y, users.heights_m[row]))
        if waypoint is None:
            return None
        begins: Sequence[carla.Waypoint] = [waypoint]
        if waypoint.is_junction:
            begins = self._ways_through(waypoint)
        position, yaw = users.centres_world_m[row], float(users.yaws_rad[row])
        rate_radps = float(users.yaw_rates_radps[row])

        def misfit(one: _OnLane) -> float:
            turn_radps = speed_mps * one.lane.bend_per_m(one.index) - rate_radps
            return (
                abs(one.right_m)
                + HEADING_WEIGHT_M * abs(one.heading_rad)
                + TURN_WEIGHT_MS * abs(turn_radps)
            )

        places = [_on_lane(self._lane(begin), position, yaw) for begin in begins]
        if len(places) == 1:
            return places[0]
        return min((place for place in places if place is not None), key=misfit, default=None)

    def _ways_through(self, waypoint: carla.Waypoint) -> list[carla.Waypoint]:
        """The begins of all lanes of the junction that a waypoint lies in."""
        junction = waypoint.get_junction()
        if junction is None:
            return [waypoint]
        if junction.id not in self._junctions:
            pairs = junction.get_waypoints(carla.LaneType.Driving)
            self._junctions[junction.id] = [begin for begin, _ in pairs] or [waypoint]
        return self._junctions[junction.id]

    def _run(self, lane: Lane) -> _Run:
        """The lane and those that follow it."""
        if lane.key not in self._runs:
            pieces, ends, last = [lane.points_world_m], [], lane
            for _ in range(MAX_LANES):
                if sum(map(len, pieces[1:])) * STEP_M > RUN_M or last.follower is None:
                    break
                ends.append((sum(map(len, pieces)) - 1, last.key))
                last = self._lane(last.follower)
                pieces.append(last.points_world_m)
            self._runs[lane.key] = _Run.of(np.concatenate(pieces), ends)
        return self._runs[lane.key]

    def _lane(self, waypoint: carla.Waypoint) -> Lane:
        """The whole lane that a waypoint lies on."""
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
            self._lanes[key] = Lane(key, points, follower)
        return self._lanes[key]


def _on_lane(lane: Lane, position_world_m: F64, yaw_rad: float) -> _OnLane | None:
    """Where a car stands to a lane; None for one too short to have a direction."""
    if len(lane.points_world_m) < 2:
        return None
    index, foot, lane_yaw_rad, right_m = lane.nearest(position_world_m)
    heading = (yaw_rad - lane_yaw_rad + math.pi) % (2.0 * math.pi) - math.pi
    return _OnLane(lane, index, foot, right_m, heading)


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
