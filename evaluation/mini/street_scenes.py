"""Scenes between junctions: where they can happen, and when and where the others act."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import carla
import numpy as np

from evaluation.mini.crossings import Town
from evaluation.mini.scene import (
    DOWNSTREAM_M,
    MARGIN_M,
    ON_PAVEMENT_M,
    SHORTEST_UPSTREAM_M,
    UPSTREAM_M,
    Scene,
    Stretch,
    positions,
)
from evaluation.routes.lanes import LaneId
from evaluation.routes.scenario import CutIn, Leader, Parked, RoadUser, Stream, Walker

STREET_M = (205.0, 260.0)
AT_KERB_M = 0.8
"""Centre of a car that has two wheels on the pavement, beyond the lane's edge."""
VAN_AT_KERB_M = 1.2
"""Centre of a parked van that stands on the pavement, beyond the lane's edge: who passes it needs
no other lane, and sees who comes out from behind it a moment before they are in the way."""
STROLL_MPS, AMBLE_MPS = 1.3, 1.1
"""So slow that a driver at the limit can stop who brakes hard as soon as somebody comes out from
behind the van (held to by a test)."""
OUT_OF_VAN_M = 3.9
"""From the middle of a parked van to who walks out before it."""
BEFORE_VAN_M = 8.0
"""Who comes the other way meets the ego so far before the van, where it would pull out."""


def walker_behind_car(town: Town, generator: np.random.Generator) -> Iterator[Scene]:
    """Somebody walks out from behind a van that is parked at the kerb."""
    for lane, route in _streets(town, generator):
        original, twin = (
            _van_and_walker(town, route, 105.0, STROLL_MPS),
            _van_and_walker(town, route, 140.0, AMBLE_MPS),
        )
        yield _scene(town, lane, route, original, twin)


def _van_and_walker(town: Town, route: Stretch, at_m: float, speed_mps: float) -> list[RoadUser]:
    here = route.points_world_m[int(at_m)]
    step = route.points_world_m[int(at_m) + 6] - here
    yaw_rad = math.atan2(float(step[1]), float(step[0]))
    right_m, left_m = town.edges_m(here)
    point = route.points_world_m[int(at_m + OUT_OF_VAN_M)]
    across = np.array([-math.sin(yaw_rad), math.cos(yaw_rad), 0.0])
    ends = (point + (right_m + ON_PAVEMENT_M) * across, point - (left_m + ON_PAVEMENT_M) * across)
    walker = Walker(path=positions(np.array(ends)), ego_m=at_m + OUT_OF_VAN_M, speed_mps=speed_mps)
    return [Parked(at_m, right_m + VAN_AT_KERB_M), walker]


def leader_brakes(town: Town, generator: np.random.Generator) -> Iterator[Scene]:
    """Who drives before the ego brakes hard, for nothing."""
    for lane, route in _streets(town, generator):
        limit_mps = town.limit_mps(town.waypoint(route.points_world_m[60]))
        original = Leader(15.0, limit_mps, 110.0, 7.0, 4.0)
        twin = Leader(15.0, 0.8 * limit_mps, 155.0, 8.0, 7.0)
        yield _scene(town, lane, route, [original], [twin])


def cut_in_ahead(town: Town, generator: np.random.Generator) -> Iterator[Scene]:
    """Somebody comes into the ego's lane before it: from the kerb, or from the lane beside."""
    for lane, route in _streets(town, generator):
        waypoint = town.waypoint(route.points_world_m[60])
        limit_mps = town.limit_mps(waypoint)
        beside = waypoint.get_right_lane()
        if beside is not None and beside.lane_type == carla.LaneType.Driving:
            offset_m = 0.5 * (waypoint.lane_width + beside.lane_width)
            original = CutIn(offset_m, 105.0, 1.3, 0.45 * limit_mps, False)
            twin = CutIn(offset_m, 145.0, 1.1, 0.3 * limit_mps, False)
        else:
            offset_m = town.edges_m(route.points_world_m[60])[0] + AT_KERB_M
            original = CutIn(offset_m, 105.0, 2.6, 0.5 * limit_mps, True)
            twin = CutIn(offset_m, 145.0, 2.2, 0.4 * limit_mps, True)
        yield _scene(town, lane, route, [original], [twin])


def parked_car_oncoming(town: Town, generator: np.random.Generator) -> Iterator[Scene]:
    """A van stands in the ego's lane; to pass it takes the other one, in which a stream comes."""
    lanes = Counter((road, section, lane > 0) for road, section, lane in town.lanes)
    for lane, route in _streets(town, generator):
        if lanes[lane[0], lane[1], lane[2] > 0] > 1:
            continue
        original = _van_and_stream(town, route, 105.0, (18.0, 18.0), 0.0)
        twin = _van_and_stream(town, route, 130.0, (16.0, 24.0, 16.0), 0.8)
        if original and twin:
            yield _scene(town, lane, route, original, twin)


def _van_and_stream(
    town: Town, route: Stretch, at_m: float, gaps_m: tuple[float, ...], late_s: float
) -> list[RoadUser]:
    """Nobody where there is no other lane, or too little of it."""
    here = route.points_world_m[int(at_m)]
    against = town.waypoint(here).get_left_lane()
    if against is None or against.lane_type != carla.LaneType.Driving:
        return []
    path = town.graph.lane_points_m((against.road_id, against.section_id, against.lane_id))
    meets = int(np.argmin(np.linalg.norm(path[:, :2] - here[:2], axis=1)))
    margin = int(MARGIN_M)
    first = max(meets - int(UPSTREAM_M), margin)
    last = min(meets + int(DOWNSTREAM_M), len(path) - margin - 1)
    if min(meets - first, last - meets) < SHORTEST_UPSTREAM_M:
        return []
    stream = Stream(
        path=positions(path[[first, last]]),
        meets_m=float(meets - first),
        ego_m=at_m - BEFORE_VAN_M,
        speed_mps=town.limit_mps(against),
        gaps_m=gaps_m,
        late_s=late_s,
    )
    return [Parked(at_m, 0.2), stream]


def _streets(town: Town, generator: np.random.Generator) -> Iterator[tuple[LaneId, Stretch]]:
    """Stretches of lanes between junctions that are long enough for a route, in random order."""
    margin = int(MARGIN_M)
    for number in generator.permutation(len(town.lanes)):
        lane = town.lanes[int(number)]
        points = town.graph.lane_points_m(lane)
        length = int(generator.uniform(*STREET_M))
        room = len(points) - length - 2 * margin
        if room > 0:
            first = margin + int(generator.integers(room))
            yield lane, Stretch(points[first : first + length], first)


def _scene(
    town: Town, lane: LaneId, route: Stretch, original: list[RoadUser], twin: list[RoadUser]
) -> Scene:
    return Scene((town.name, lane), route.points_world_m, tuple(original), tuple(twin))
