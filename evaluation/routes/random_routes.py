"""Reproducible random routes on any map, chosen so that together they turn every way."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.errors import UserError
from evaluation.routes.dense_route import DenseRoute
from evaluation.routes.lane_graph import LaneGraph, LaneRouteError
from evaluation.routes.lanes import LaneId
from evaluation.routes.route import Route, WeatherPoint
from evaluation.simulator.town.opendrive_records import LIGHT_TYPES
from planner.records import Command

CANDIDATES = 12
"""Walks tried per route; the one with the turns that are rarest so far is kept."""
MAX_ATTEMPTS = 400
START_MARGIN_M = 8
"""Points kept clear at the lane's start, so that the vehicle does not begin inside a junction."""
SHORTEST_ROUTE_M = 10.0
"""A route ends well before a vehicle of five metres has moved less than this."""
AMPLE_M = 20.0
"""A walk goes on so far beyond the length of its route."""
SIGNALS = {"traffic light": LIGHT_TYPES, "stop sign": frozenset({"206"})}
"""OpenDRIVE types of the landmarks that rule a junction."""
SIGNAL_DISTANCE_M = 12.0
WANTED = {
    "LEFT": 1.0,
    "RIGHT": 1.0,
    "STRAIGHT": 1.0,
    "traffic light": 1.0,
    "stop sign": 1.0,
    "one lane m": 100.0,
    "several lanes m": 100.0,
}
"""What a varied route has, and how much of it counts as once."""
DEFAULT_WEATHER = (("cloudiness", 20.0), ("sun_altitude_angle", 60.0))


class RandomRouteError(UserError, RuntimeError):
    """The map has no route of the length that was asked for."""


def turns_of(route: DenseRoute) -> Counter[Command]:
    """How often the route takes each way through a junction, or changes lane."""
    pairs = zip((Command.VOID, *route.commands[:-1]), route.commands, strict=True)
    return Counter(
        command
        for before, command in pairs
        if command is not before and command is not Command.LANE_FOLLOW
    )


def random_routes(
    world_map: carla.Map,
    graph: LaneGraph,
    length_m: float,
    count: int,
    generator: np.random.Generator,
) -> list[DenseRoute]:
    """`count` routes of about `length_m` (at most 2 m shorter or longer); the same generator state
    gives the same routes. Raises RandomRouteError where the map is too small."""
    walker = _Walker(world_map, graph, length_m, generator)
    taken: Counter[Command] = Counter()
    routes = []
    for _ in range(count):
        candidates = [walker.walk() for _ in range(CANDIDATES)]

        def rarity(route: DenseRoute) -> float:
            return sum(n / (1.0 + taken[turn]) for turn, n in turns_of(route).items())

        best = max(candidates, key=rarity)
        taken.update(turns_of(best))
        routes.append(best)
    return routes


def one_route(world_map: carla.Map, town: str, length_m: float, seed: int) -> Route:
    """One random route of about `length_m`, or as much of it as a smaller map has room for.

    Raises:
        RandomRouteError: the map has no room for a route at all.
    """
    graph = LaneGraph(world_map)
    generator = np.random.default_rng(seed)
    try:
        (found,) = random_routes(world_map, graph, length_m, 1, generator)
    except RandomRouteError:
        found = _Walker(world_map, graph, length_m, generator).walk_as_far_as_it_goes()
    return sparse(found, "0", town)


class _Walker:
    """Walks from lane to lane, turning at random, until the route is long enough."""

    def __init__(
        self,
        world_map: carla.Map,
        graph: LaneGraph,
        length_m: float,
        generator: np.random.Generator,
    ) -> None:
        self._graph = graph
        self._length_m = length_m
        self._generator = generator
        self._following: dict[LaneId, list[LaneId]] = graph.successors()
        self._name = world_map.name
        self._outside = [one for one in graph.lane_ids() if not graph.in_junction(one)]
        self._starts = [
            lane_id
            for lane_id in self._outside
            if len(graph.lane_points_m(lane_id)) > 2 * START_MARGIN_M
        ]

    def walk(self) -> DenseRoute:
        if not self._starts:
            raise RandomRouteError(
                f"map {self._name}: no lane outside junctions is longer than "
                f"{2 * START_MARGIN_M} m, so that no route can start"
            )
        for _ in range(MAX_ATTEMPTS):
            positions = self._positions()
            if positions is None:
                continue
            try:
                route = self._graph.route(positions)
            except LaneRouteError:
                continue
            cut = self._cut(route)
            if cut is not None:
                return cut
        raise RandomRouteError(
            f"found no route of {self._length_m:.0f} m in {MAX_ATTEMPTS} attempts: "
            "ask for a shorter one or a larger town"
        )

    def walk_as_far_as_it_goes(self) -> DenseRoute:
        """The longest of some walks that may end where no lane leads on.

        Raises:
            RandomRouteError: all of them are too short to be driven.
        """
        known = self._starts or self._outside
        begin = START_MARGIN_M if self._starts else 0
        lanes = [known[i] for i in self._generator.permutation(len(known))[:CANDIDATES]]
        walks = (self._follow(lane_id, begin)[0] for lane_id in lanes)
        routes = [_shortened(self._graph.route(walk), self._length_m) for walk in walks]
        for route in sorted(routes, key=lambda route: -route.length_m):
            if route.length_m >= SHORTEST_ROUTE_M and self._is_found_again(route):
                return route
        raise RandomRouteError(
            f"map {self._name} has no route of even {SHORTEST_ROUTE_M:.0f} m: give a larger one"
        )

    def _is_found_again(self, route: DenseRoute) -> bool:
        """Whether the positions of the route's file lead along it: where lanes lie over each other,
        as in a junction, they may be those of another."""
        try:
            again = self._graph.route(np.array(sparse(route, "0", "").positions_world_m))
        except LaneRouteError:
            return False
        return abs(again.length_m - route.length_m) < AMPLE_M

    def _positions(self) -> NDArray[np.float64] | None:
        """Positions of a walk from a random place, or None where it ends too early."""
        lane_id = self._starts[int(self._generator.integers(len(self._starts)))]
        count = len(self._graph.lane_points_m(lane_id))
        begin = int(self._generator.integers(START_MARGIN_M, count - START_MARGIN_M))
        positions, driven_m = self._follow(lane_id, begin)
        return None if driven_m < self._length_m + AMPLE_M else positions

    def _follow(self, lane_id: LaneId, begin: int) -> tuple[NDArray[np.float64], float]:
        """One position in the middle of each lane between junctions that a walk from point `begin`
        of a lane passes, and its length; it ends where no lane leads on that is new."""
        points = self._graph.lane_points_m(lane_id)
        positions = [points[begin]]
        driven_m = float(len(points) - begin)
        visited = {lane_id}
        while driven_m < self._length_m + AMPLE_M:
            choices = [one for one in self._following[lane_id] if one not in visited]
            if not choices:
                break
            lane_id = choices[int(self._generator.integers(len(choices)))]
            visited.add(lane_id)
            points = self._graph.lane_points_m(lane_id)
            driven_m += len(points)
            if not self._graph.in_junction(lane_id):
                positions.append(points[len(points) // 2])
        return np.array([*positions, points[-1]]), driven_m

    def _cut(self, route: DenseRoute) -> DenseRoute | None:
        """The route's first `length_m`, unless it is shorter or would end in a junction."""
        end = int(np.searchsorted(route.distance_m, self._length_m))
        if end >= len(route.commands) or route.distance_m[end] > self._length_m + 2.0:
            return None
        if bool(route.junction[end]):
            return None
        return _first_points(route, end + 1)


def _shortened(route: DenseRoute, length_m: float) -> DenseRoute:
    """The route's first `length_m`, without a junction at its end."""
    count = int(np.searchsorted(route.distance_m, length_m, side="right"))
    while count > 2 and bool(route.junction[count - 1]):
        count -= 1
    return _first_points(route, count)


def _first_points(route: DenseRoute, count: int) -> DenseRoute:
    return DenseRoute(
        points_world_m=route.points_world_m[:count],
        yaw_rad=route.yaw_rad[:count],
        commands=route.commands[:count],
        lane_ids=route.lane_ids[:count],
        junction=route.junction[:count],
    )


def sparse(route: DenseRoute, route_id: str, town: str) -> Route:
    """The route as a file holds it: its ends and a position in every stretch between junctions,
    which is enough for any planner to find the same way again."""
    ends = [0, len(route.commands) - 1]
    changes = np.flatnonzero(np.diff(route.junction.astype(int))) + 1
    stretches = zip([0, *changes.tolist()], [*changes.tolist(), ends[1]], strict=True)
    middles = [
        (first + last) // 2 for first, last in stretches if not route.junction[(first + last) // 2]
    ]
    indices = sorted({ends[0], *middles[1:-1], ends[1]})
    positions = route.points_world_m[indices]
    return Route(
        route_id=route_id,
        town=town,
        positions_world_m=tuple(
            (round(float(x), 2), round(float(y), 2), round(float(z), 2)) for x, y, z in positions
        ),
        weathers=(WeatherPoint(0.0, DEFAULT_WEATHER),),
    )


def generate(
    world_map: carla.Map, town: str, length_m: float, count: int, seed: int, varied: bool = False
) -> Sequence[Route]:
    """Random routes ready to be written to a file, with ids from 0. varied: of ten times as many
    those that meet the most kinds of junctions and roads."""
    graph = LaneGraph(world_map)
    generator = np.random.default_rng(seed)
    drawn = random_routes(world_map, graph, length_m, count * (10 if varied else 1), generator)
    if varied:
        drawn = sorted(drawn, key=lambda route: -_variety(features_of(route, world_map)))[:count]
    return [sparse(route, str(index), town) for index, route in enumerate(drawn)]


def features_of(route: DenseRoute, world_map: carla.Map) -> Counter[str]:
    """What a route meets: turns by command, traffic lights, stop signs, and metres on roads with
    one and with several lanes per direction."""
    found = Counter({turn.name: times for turn, times in turns_of(route).items()})
    for index, point in enumerate(route.points_world_m):
        if route.junction[index]:
            continue
        waypoint = world_map.get_waypoint(carla.Location(*(float(value) for value in point)))
        found["several lanes m" if _has_lane_beside(waypoint) else "one lane m"] += 1
        if index + 1 < len(route.commands) and route.junction[index + 1]:
            for name, kinds in SIGNALS.items():
                marks = waypoint.get_landmarks(SIGNAL_DISTANCE_M)
                found[name] += any(mark.type in kinds for mark in marks)
    return found


def _has_lane_beside(waypoint: carla.Waypoint) -> bool:
    return any(
        other is not None
        and other.lane_type == carla.LaneType.Driving
        and other.lane_id * waypoint.lane_id > 0
        for other in (waypoint.get_left_lane(), waypoint.get_right_lane())
    )


def _variety(features: Counter[str]) -> float:
    """Larger for routes that have something of everything; the second of a kind counts less."""
    return sum(math.sqrt(min(features[name] / once, 4.0)) for name, once in WANTED.items())
