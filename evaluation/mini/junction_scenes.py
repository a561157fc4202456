"""Scenes at junctions: where they can happen, and when and from where the others come."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from evaluation.mini.crossings import Town, Way
from evaluation.mini.scene import (
    DOWNSTREAM_M,
    F64,
    MARGIN_M,
    ON_PAVEMENT_M,
    SHORTEST_UPSTREAM_M,
    UPSTREAM_M,
    Scene,
    Stretch,
    positions,
)
from evaluation.routes.scenario import Lights, RoadUser, Stream, Walker

BEFORE_M, BEHIND_M = (105.0, 140.0), (95.0, 130.0)
"""How much of a route lies before the junction and behind it."""
CROSSWALK_NEAR = 15
"""Points before and behind a junction at which a crosswalk may lie."""


@dataclass(frozen=True)
class _Flow:
    """Gaps, lateness and speed, as a share of the limit, of a stream."""

    gaps_m: tuple[float, ...]
    late_s: float = 0.0
    pace: float = 1.0


def signalled_junction(town: Town, generator: np.random.Generator) -> Iterator[Scene]:
    """The ego's light is red as it comes; the crossing road has green."""
    flows = _Flow((16.0, 22.0, 16.0)), _Flow((20.0, 20.0, 20.0, 20.0))
    for way, route, others in _junctions(town, generator, "lights", ("straight",)):
        line_m = route.distance_m(way.enter)
        both = _streams(way, route, _from_the_sides(way, others), flows)
        if both is not None:
            soon, late = Lights(line_m, 11.0), Lights(line_m, 16.0)
            yield _scene(town, way, route, [soon, both[0]], [late, both[1]])


def stop_sign_junction(town: Town, generator: np.random.Generator) -> Iterator[Scene]:
    """The ego has a stop sign, the crossing road has none."""
    flows = _Flow((18.0, 18.0)), _Flow((24.0, 20.0, 26.0), 0.3)
    for way, route, others in _junctions(town, generator, "stop", ("straight", "left")):
        free = [one for one in _from_the_sides(way, others) if one.control == "priority"]
        both = _streams(way, route, free, flows)
        if both is not None:
            yield _scene(town, way, route, [both[0]], [both[1]])


def unprotected_left_turn(town: Town, generator: np.random.Generator) -> Iterator[Scene]:
    """The ego turns left across a stream that comes the other way."""
    flows = _Flow((16.0, 20.0, 16.0)), _Flow((22.0, 18.0), 0.4)
    for control in ("priority", "lights"):
        for way, route, others in _junctions(town, generator, control, ("left",)):
            against = [one for one in _straight(others) if way.comes_from(one) == "opposite"]
            both = _streams(way, route, against, flows)
            if both is not None:
                lights = [Lights(route.distance_m(way.enter), 0.0)] if control == "lights" else []
                yield _scene(town, way, route, [*lights, both[0]], [*lights, both[1]])


def merge_into_stream(town: Town, generator: np.random.Generator) -> Iterator[Scene]:
    """The ego turns right into a street on which a stream comes from the left."""
    flows = _Flow((17.0, 17.0, 17.0)), _Flow((18.0, 34.0, 18.0))
    for way, route, others in _junctions(town, generator, "stop", ("right",)):
        along = [
            one
            for one in _straight(others)
            if one.exit == way.exit and one.control == "priority" and way.comes_from(one) == "left"
        ]
        both = _streams(way, route, along, flows)
        if both is not None:
            yield _scene(town, way, route, [both[0]], [both[1]])


def red_light_runner(town: Town, generator: np.random.Generator) -> Iterator[Scene]:
    """The ego has green; somebody on the crossing road does not stop at its red light."""
    flows = _Flow(()), _Flow((), -0.2, 1.2)
    for way, route, others in _junctions(town, generator, "lights", ("straight",)):
        lights = Lights(route.distance_m(way.enter), 0.0)
        both = _streams(way, route, _from_the_sides(way, others), flows)
        if both is not None:
            yield _scene(town, way, route, [lights, both[0]], [lights, both[1]])


def walker_on_crosswalk(town: Town, generator: np.random.Generator) -> Iterator[Scene]:
    """Somebody crosses where the ego has the right of way over cars, on a crosswalk."""
    crosswalks = [np.array(outline[:4]) for outline in _outlines(town)]
    tree = shapely.STRtree([shapely.Polygon(corners) for corners in crosswalks])
    for way, route, _ in _junctions(town, generator, "priority", ("straight", "left", "right")):
        met: dict[int, int] = {}
        for index in range(way.enter - CROSSWALK_NEAR, way.leave + CROSSWALK_NEAR):
            here = shapely.Point(way.points_world_m[index, :2])
            for number in tree.query(here, "within").tolist():
                met.setdefault(number, index)
        if met:
            first, last = min(met, key=lambda one: met[one]), max(met, key=lambda one: met[one])
            original = _on_crosswalk(way, route, crosswalks[first], True, 1.7)
            twin = _on_crosswalk(way, route, crosswalks[last], False, 2.2)
            yield _scene(town, way, route, [original], [twin])


def _junctions(
    town: Town, generator: np.random.Generator, control: str, turns: tuple[str, ...]
) -> Iterator[tuple[Way, Stretch, list[Way]]]:
    """Ways with such a control and turn that are long enough for a route, in random order, and the
    ways from other lanes through their junction."""
    by_junction = town.ways_by_junction()
    for number in generator.permutation(len(town.ways)):
        way = town.ways[int(number)]
        if way.control != control or way.turn not in turns:
            continue
        route = _route(way, generator)
        if route is not None:
            others = [one for one in by_junction[way.junction_id] if one.approach != way.approach]
            yield way, route, others


def _route(way: Way, generator: np.random.Generator) -> Stretch | None:
    """The way as a route with the junction in its middle; None where it is too short."""
    before_m, behind_m = generator.uniform(*BEFORE_M), generator.uniform(*BEHIND_M)
    first_m = way.distance_m[way.enter] - before_m
    last_m = way.distance_m[way.leave] + behind_m
    if first_m < MARGIN_M or last_m > way.distance_m[-1] - MARGIN_M:
        return None
    first, last = np.searchsorted(way.distance_m, (first_m, last_m))
    return Stretch(way.points_world_m[first : last + 1], int(first))


def _straight(ways: Sequence[Way]) -> list[Way]:
    return [one for one in ways if one.turn == "straight"]


def _from_the_sides(way: Way, ways: Sequence[Way]) -> list[Way]:
    return [one for one in _straight(ways) if way.comes_from(one) in ("left", "right")]


def _streams(
    way: Way, route: Stretch, others: Sequence[Way], flows: tuple[_Flow, _Flow]
) -> tuple[Stream, Stream] | None:
    """A stream for the route and one for its twin, on another way where there are two; None where
    there is no way, or one that is too short."""
    if not others:
        return None
    first = _stream(way, route, others[0], flows[0])
    second = _stream(way, route, others[-1], flows[1])
    return None if first is None or second is None else (first, second)


def _stream(way: Way, route: Stretch, other: Way, flow: _Flow) -> Stream | None:
    meeting = way.meets(other)
    if meeting is None:
        return None
    ego_m, other_m = meeting
    first_m = max(float(other.distance_m[other.enter]) - UPSTREAM_M, MARGIN_M)
    last_m = min(
        float(other.distance_m[other.leave]) + DOWNSTREAM_M, float(other.distance_m[-1]) - MARGIN_M
    )
    if other_m - first_m < SHORTEST_UPSTREAM_M:
        return None
    first, last = np.searchsorted(other.distance_m, (first_m, last_m))
    return Stream(
        path=positions(other.points_world_m[[first, other.enter - 3, other.leave + 3, last]]),
        meets_m=other_m - float(other.distance_m[first]),
        ego_m=ego_m - float(way.distance_m[route.first]),
        speed_mps=flow.pace * other.limit_mps,
        gaps_m=flow.gaps_m,
        late_s=flow.late_s,
    )


def _on_crosswalk(
    way: Way, route: Stretch, corners_m: F64, from_right: bool, speed_mps: float
) -> Walker:
    """Along the crosswalk's middle, from one pavement to the other."""
    sides = corners_m[[1, 2]] - corners_m[[0, 1]]
    longer = int(np.argmax(np.linalg.norm(sides, axis=1)))
    along = sides[longer] / float(np.linalg.norm(sides[longer]))
    half_m = 0.5 * float(np.linalg.norm(sides[longer])) + 0.5 * ON_PAVEMENT_M
    middle_m = corners_m.mean(axis=0)
    across_m = np.abs((way.points_world_m[:, :2] - middle_m) @ np.array([-along[1], along[0]]))
    near = np.linalg.norm(way.points_world_m[:, :2] - middle_m, axis=1) < half_m
    index = int(np.argmin(np.where(near, across_m, np.inf)))
    yaw_rad = way.yaw_rad(index)
    if (along @ np.array([-math.sin(yaw_rad), math.cos(yaw_rad)]) > 0.0) == from_right:
        along = -along
    height_m = float(way.points_world_m[index, 2])
    ends = [(*(middle_m + sign * half_m * along), height_m) for sign in (-1.0, 1.0)]
    return Walker(
        path=positions(np.array(ends)), ego_m=route.distance_m(index), speed_mps=speed_mps
    )


def _outlines(town: Town) -> Iterator[list[tuple[float, float]]]:
    """Corners of each crosswalk: the wheel gives them in one list, each ring closed."""
    ring: list[tuple[float, float]] = []
    for corner in town.map.get_crosswalks():
        place = (round(corner.x, 3), round(corner.y, 3))
        ring.append(place)
        if len(ring) > 3 and place == ring[0]:
            yield ring
            ring = []


def _scene(
    town: Town, way: Way, route: Stretch, original: list[RoadUser], twin: list[RoadUser]
) -> Scene:
    key = town.name, way.approach
    return Scene(key, route.points_world_m, tuple(original), tuple(twin))
