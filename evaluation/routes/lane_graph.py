"""Search for a drivable route over the lanes of a CARLA map.

The leaderboard describes a route by a few positions and fills the gaps with a shortest-path search
over lane segments (`GlobalRoutePlanner` of carla-simulator/carla, PythonAPI/carla/agents).
`LaneGraph` answers the same question with the same meaning of the commands, so that a route means
the same points to our runner, to the privileged driver and to the official evaluator.

World frame as in CARLA: x forward/east, y right/south, z up, metres; yaw in radians, clockwise
positive.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import carla
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evaluation.errors import UserError
from evaluation.simulator.town.opendrive_file import roads_of
from evaluation.simulator.town.opendrive_records import OpenDriveError, SectionRecord
from planner.records import Command

LaneId = tuple[int, int, int]
"""Road, section and lane number: one stretch of one lane."""

SPACING_M = 1.0
"""Distance between neighbouring points of a dense route (leaderboard: hop_resolution)."""
LANE_CHANGE_M = 5.0
"""Distance over which a lane change is drawn (five hops in GlobalRoutePlanner)."""
LANE_CHANGE_COST_M = 20.0
"""What a lane change costs in the search, so that equally long routes keep their lane."""
STRAIGHT_LIMIT_RAD = math.radians(35.0)
"""A junction crossed with less change of direction is gone through straight."""
OFF_ROAD_LIMIT_M = 5.0
"""A position farther than this from every driving lane is not on the map."""
STEP_BACK_LIMIT_M = 15.0
"""A position so little behind the one before it, on the same lane, is no way round the block: as in
GlobalRoutePlanner the route steps back to it and goes on from there."""
GAP_LIMIT_M = 5.0
"""A lane that begins farther from the end of another does not follow it, whatever the map links."""
EDGE_S_M = 1e-3
"""How far inside its section a lane is sampled: carla.Map takes s as a 32-bit float."""


class LaneRouteError(UserError, ValueError):
    """A position is off the map, no lane leads from one position to the next, or the map has no
    lanes that can be read."""


@dataclass(frozen=True)
class DenseRoute:
    """Points about one metre apart along lane centres.

    points_world_m: (n, 3); yaw_rad: (n,) direction of the lane; commands: n values of `Command`
    (what to do at that point); lane_ids: n lanes that the points lie on; junction: (n,) whether the
    point lies inside a junction.
    """

    points_world_m: NDArray[np.float64]
    yaw_rad: NDArray[np.float64]
    commands: tuple[Command, ...]
    lane_ids: tuple[LaneId, ...]
    junction: NDArray[np.bool_]

    @property
    def distance_m(self) -> NDArray[np.float64]:
        """(n,) length of the route up to each point, in three dimensions as the leaderboard's."""
        steps_m = np.linalg.norm(np.diff(self.points_world_m, axis=0), axis=1)
        return np.concatenate(([0.0], np.cumsum(steps_m)))

    @property
    def length_m(self) -> float:
        return float(self.distance_m[-1])

    def rest(self, percent: float) -> DenseRoute:
        """The route from where so much of it lies behind; at least its last two points."""
        behind = np.searchsorted(self.distance_m, 0.01 * percent * self.length_m, side="right") - 1
        start = min(max(int(behind), 0), len(self.yaw_rad) - 2)
        return DenseRoute(
            self.points_world_m[start:],
            self.yaw_rad[start:],
            self.commands[start:],
            self.lane_ids[start:],
            self.junction[start:],
        )


@dataclass(frozen=True)
class _Lane:
    """One lane of one road section, sampled in driving direction from its start to its end."""

    lane_id: LaneId
    points_world_m: NDArray[np.float64]
    yaw_rad: NDArray[np.float64]
    junction: bool

    @property
    def length_m(self) -> float:
        return float(np.linalg.norm(np.diff(self.points_world_m, axis=0), axis=1).sum())

    def nearest(self, point_world_m: NDArray[np.float64]) -> int:
        offsets_m = self.points_world_m - point_world_m
        return int(np.argmin(np.einsum("ij,ij->i", offsets_m, offsets_m)))


def lane_id_of(waypoint: carla.Waypoint) -> LaneId:
    return (waypoint.road_id, waypoint.section_id, waypoint.lane_id)


class _Sampler:
    """Samples lanes by their s, from what the map's own text says of its sections.

    The wheel's walk to the end of a lane (`Waypoint.next_until_lane_end`) ends the process where
    the links of a map are incomplete, and its topology leaves out lanes without a successor.
    """

    def __init__(self, world_map: carla.Map, spacing_m: float) -> None:
        self._map = world_map
        self._spacing_m = spacing_m
        self._roads = roads_of(world_map.to_opendrive())

    def driving_lanes(self) -> Iterator[tuple[LaneId, list[carla.Waypoint]]]:
        """Every driving lane with waypoints in the order of its traffic."""
        for road in self._roads:
            for section in road.sections:
                stations = self._stations(section)
                for lane in section.lanes:
                    if lane.lane_id == 0 or lane.kind.lower() != "driving":
                        continue
                    lane_id = (road.road_id, section.index, lane.lane_id)
                    points = self._points(lane_id, stations)
                    if points:
                        yield lane_id, points

    def _stations(self, section: SectionRecord) -> list[float]:
        """Values of s a spacing apart, and the section's two ends."""
        edge_m = min(EDGE_S_M, 0.25 * (section.end_m - section.start_m))
        start_m, end_m = section.start_m + edge_m, section.end_m - edge_m
        steps = np.arange(start_m, end_m, self._spacing_m).tolist()
        return [*steps, end_m] if end_m > start_m else [start_m]

    def _points(self, lane_id: LaneId, stations: Sequence[float]) -> list[carla.Waypoint]:
        road, _, lane = lane_id
        found = (self._map.get_waypoint_xodr(road, lane, s) for s in stations)
        points = [point for point in found if point is not None and lane_id_of(point) == lane_id]
        return points if len(points) < 2 or _leads_on(points[0], points[1]) else points[::-1]


def _leads_on(first: carla.Waypoint, second: carla.Waypoint) -> bool:
    """Whether traffic passes the second waypoint of a lane after the first."""
    step = second.transform.location - first.transform.location
    forward = first.transform.get_forward_vector()
    return bool(step.x * forward.x + step.y * forward.y > 0.0)


def _lane_of(lane_id: LaneId, waypoints: Sequence[carla.Waypoint]) -> _Lane:
    transforms = [waypoint.transform for waypoint in waypoints]
    points = np.array([(t.location.x, t.location.y, t.location.z) for t in transforms])
    yaw_rad = np.radians([t.rotation.yaw for t in transforms])
    return _Lane(
        lane_id=lane_id,
        points_world_m=points.astype(np.float64),
        yaw_rad=np.arctan2(np.sin(yaw_rad), np.cos(yaw_rad)),
        junction=bool(waypoints[0].is_junction),
    )


class _Trace:
    """Grows a dense route lane by lane; drops points that repeat the one before."""

    def __init__(self) -> None:
        self.points: list[NDArray[np.float64]] = []
        self.yaw_rad: list[float] = []
        self.commands: list[Command] = []
        self.lanes: list[_Lane] = []

    def add(self, lane: _Lane, index: int, command: Command) -> None:
        point = lane.points_world_m[index]
        if self.points and float(np.linalg.norm(point - self.points[-1])) < 0.05:
            # Where one lane ends the next begins: the later command is the one to come.
            self.points.pop()
            self.yaw_rad.pop()
            self.commands.pop()
            self.lanes.pop()
        self.points.append(point)
        self.yaw_rad.append(float(lane.yaw_rad[index]))
        self.commands.append(command)
        self.lanes.append(lane)

    def finish(self) -> DenseRoute:
        return DenseRoute(
            points_world_m=np.array(self.points),
            yaw_rad=np.array(self.yaw_rad),
            commands=tuple(self.commands),
            lane_ids=tuple(lane.lane_id for lane in self.lanes),
            junction=np.array([lane.junction for lane in self.lanes]),
        )


class LaneGraph:
    """The driving lanes of a map as a graph: build once per map, ask for many routes.

    A node is one lane of one road section; an edge leads to a following lane or, where the lane
    markings allow a change, to the lane beside it.
    """

    def __init__(
        self,
        world_map: carla.Map,
        spacing_m: float = SPACING_M,
        lane_change_m: float = LANE_CHANGE_M,
    ) -> None:
        self._map = world_map
        self._spacing_m = spacing_m
        self._lane_change_m = lane_change_m
        self._lanes: dict[LaneId, _Lane] = {}
        self._graph = nx.DiGraph()
        beside: list[tuple[LaneId, LaneId, Command]] = []
        try:
            sampled = list(_Sampler(world_map, spacing_m).driving_lanes())
            topology = world_map.get_topology()
        except (OpenDriveError, RuntimeError) as error:
            raise LaneRouteError(f"map {world_map.name}: its lanes cannot be read ({error})") from (
                error
            )
        for lane_id, waypoints in sampled:
            beside.extend(self._add_lane(lane_id, waypoints))
        for end in itertools.chain.from_iterable(topology):
            if lane_id_of(end) not in self._lanes:  # too short to be sampled
                beside.extend(self._add_lane(lane_id_of(end), [end]))
        if not self._lanes:
            raise LaneRouteError(f"map {world_map.name} has no driving lane")
        for start, successor in topology:
            self._follow(lane_id_of(start), lane_id_of(successor))
        for lane_id, other_id, command in beside:
            if other_id in self._lanes and not self._graph.has_edge(lane_id, other_id):
                self._graph.add_edge(lane_id, other_id, cost=LANE_CHANGE_COST_M, command=command)

    def _follow(self, lane_id: LaneId, next_id: LaneId) -> None:
        """Registers that a lane leads to another."""
        if lane_id == next_id and not self._is_ring(lane_id):
            return  # CARLA names a lane that leads nowhere as its own successor
        lane, following = self._lanes[lane_id], self._lanes[next_id]
        gap_m = float(np.linalg.norm(following.points_world_m[0] - lane.points_world_m[-1]))
        if gap_m <= GAP_LIMIT_M:
            self._graph.add_edge(lane_id, next_id, cost=lane.length_m, command=Command.LANE_FOLLOW)

    def _add_lane(
        self, lane_id: LaneId, waypoints: Sequence[carla.Waypoint]
    ) -> list[tuple[LaneId, LaneId, Command]]:
        """Registers the lane; returns the lane changes that its markings allow."""
        lane = _lane_of(lane_id, waypoints)
        self._lanes[lane.lane_id] = lane
        self._graph.add_node(lane.lane_id)
        if lane.junction:
            return []
        changes: dict[Command, tuple[LaneId, LaneId, Command]] = {}
        for waypoint in waypoints:
            allowed = waypoint.lane_change
            if Command.CHANGE_LANE_RIGHT not in changes and allowed & carla.LaneChange.Right:
                other = waypoint.get_right_lane()
                if _same_direction(waypoint, other):
                    command = Command.CHANGE_LANE_RIGHT
                    changes[command] = (lane.lane_id, lane_id_of(other), command)
            if Command.CHANGE_LANE_LEFT not in changes and allowed & carla.LaneChange.Left:
                other = waypoint.get_left_lane()
                if _same_direction(waypoint, other):
                    command = Command.CHANGE_LANE_LEFT
                    changes[command] = (lane.lane_id, lane_id_of(other), command)
        return list(changes.values())

    def _is_ring(self, lane_id: LaneId) -> bool:
        points_m = self._lanes[lane_id].points_world_m
        return float(np.linalg.norm(points_m[-1] - points_m[0])) < 2.0 * self._spacing_m

    def lane_ids(self) -> tuple[LaneId, ...]:
        return tuple(self._lanes)

    def lane_points_m(self, lane_id: LaneId) -> NDArray[np.float64]:
        """(n, 3) centre of one lane, world frame, in driving direction."""
        return self._lanes[lane_id].points_world_m

    def in_junction(self, lane_id: LaneId) -> bool:
        return self._lanes[lane_id].junction

    def successors(self) -> dict[LaneId, list[LaneId]]:
        """For each lane the lanes that its end leads to (without lane changes)."""
        return {
            lane_id: [
                other
                for other in self._graph.successors(lane_id)
                if not self._changes_lane(lane_id, other)
            ]
            for lane_id in self._lanes
        }

    def route(self, positions_world_m: NDArray[np.float64]) -> DenseRoute:
        """Shortest route through positions (n, 2) or (n, 3), n >= 2, in their order.

        Raises LaneRouteError naming the position that is off the map or cannot be reached.
        """
        positions = np.asarray(positions_world_m, dtype=np.float64)
        if positions.ndim != 2 or positions.shape[0] < 2 or positions.shape[1] not in (2, 3):
            raise LaneRouteError(
                f"a route needs two or more positions (x, y[, z]), got shape {positions.shape}"
            )
        ends = [self._locate(position, index) for index, position in enumerate(positions)]
        trace = _Trace()
        for index, (start, end) in enumerate(itertools.pairwise(ends)):
            try:
                self._append_leg(trace, start, end)
            except nx.NetworkXNoPath:
                raise LaneRouteError(
                    f"no lane leads from position {index} {_text(positions[index])} to position "
                    f"{index + 1} {_text(positions[index + 1])}; move one of them to another lane"
                ) from None
        return trace.finish()

    def _locate(self, position: NDArray[np.float64], index: int) -> tuple[LaneId, int]:
        """Lane of a position and the nearest of its points."""
        if not bool(np.all(np.isfinite(position))):
            raise LaneRouteError(f"position {index} {_text(position)} is not finite")
        height_m = float(position[2]) if len(position) == 3 else 0.0
        waypoint = self._map.get_waypoint(
            carla.Location(float(position[0]), float(position[1]), height_m)
        )
        if waypoint is None:
            raise LaneRouteError(f"position {index} {_text(position)} is not on the map")
        location = waypoint.transform.location
        distance_m = math.hypot(location.x - position[0], location.y - position[1])
        if distance_m > OFF_ROAD_LIMIT_M + 0.5 * waypoint.lane_width:
            raise LaneRouteError(
                f"position {index} {_text(position)} leaves the map: the nearest driving lane is "
                f"{distance_m:.1f} m away, at {_text(np.array([location.x, location.y]))}"
            )
        lane_id = lane_id_of(waypoint)
        if lane_id not in self._lanes:
            raise LaneRouteError(
                f"position {index} {_text(position)} lies on road {lane_id[0]} lane {lane_id[2]}, "
                "which the map's own text does not have"
            )
        point = np.array([location.x, location.y, location.z])
        return lane_id, self._lanes[lane_id].nearest(point)

    def _append_leg(
        self, trace: _Trace, start: tuple[LaneId, int], end: tuple[LaneId, int]
    ) -> None:
        if start[0] == end[0] and self._steps_back(start[0], start[1], end[1]):
            trace.add(self._lanes[start[0]], start[1], Command.LANE_FOLLOW)
            return
        path = self._search(start, end)
        commands = self._commands(path)
        index = start[1]
        for position, lane_id in enumerate(path):
            lane = self._lanes[lane_id]
            if position > 0:
                entry = self._graph.edges[path[position - 1], lane_id]["command"]
                if entry is Command.LANE_FOLLOW:
                    index = 0
                else:
                    previous = self._lanes[path[position - 1]]
                    trace.add(previous, index, entry)
                    hops = round(self._lane_change_m / self._spacing_m)
                    beside = lane.nearest(previous.points_world_m[index])
                    index = min(beside + hops, len(lane.points_world_m) - 1)
                    trace.add(lane, index, entry)
                    index = min(index + 1, len(lane.points_world_m) - 1)
            last = position == len(path) - 1
            if not last and self._changes_lane(lane_id, path[position + 1]):
                continue
            stop = end[1] if last else len(lane.points_world_m) - 1
            for step in range(index, stop + 1):
                trace.add(lane, step, commands[position])

    def _steps_back(self, lane_id: LaneId, start: int, end: int) -> bool:
        """Whether a position lies a little behind the one before it, in the same lane."""
        points_m = self._lanes[lane_id].points_world_m
        back_m = float(np.linalg.norm(points_m[start] - points_m[end]))
        return start > end and back_m <= STEP_BACK_LIMIT_M

    def _changes_lane(self, lane_id: LaneId, next_id: LaneId) -> bool:
        return self._graph.edges[lane_id, next_id]["command"] is not Command.LANE_FOLLOW

    def _search(self, start: tuple[LaneId, int], end: tuple[LaneId, int]) -> list[LaneId]:
        """Lanes from start to end; an end far behind its start, on the same lane, is reached by
        going round."""
        if start[0] == end[0] and start[1] > end[1]:
            best: list[LaneId] | None = None
            best_cost = math.inf
            for successor in self._graph.successors(start[0]):
                try:
                    cost, path = nx.single_source_dijkstra(
                        self._graph, successor, end[0], weight="cost"
                    )
                except nx.NetworkXNoPath:
                    continue
                if cost < best_cost:
                    best, best_cost = [start[0], *path], cost
            if best is None:
                raise nx.NetworkXNoPath
            return best
        path_found: list[LaneId] = nx.dijkstra_path(self._graph, start[0], end[0], weight="cost")
        return path_found

    def _commands(self, path: Sequence[LaneId]) -> list[Command]:
        """What to do on each lane of the path: a turn inside junctions, else follow the lane."""
        commands: list[Command] = []
        for position, lane_id in enumerate(path):
            lane = self._lanes[lane_id]
            if not lane.junction or position == 0:
                commands.append(Command.LANE_FOLLOW)
            elif self._lanes[path[position - 1]].junction:
                commands.append(commands[-1])
            else:
                commands.append(self._turn(path, position))
        return commands

    def _turn(self, path: Sequence[LaneId], position: int) -> Command:
        """Command for the junction entered at path[position].

        The heading behind the junction is compared with the one before it; a turn that is the
        leftmost (rightmost) of the ways on offer is a left (right) turn even when it bends a
        little to the other side.
        """
        approach = self._lanes[path[position - 1]]
        heading = _direction(float(approach.yaw_rad[-1]))
        last = position
        while last + 1 < len(path) and self._lanes[path[last + 1]].junction:
            last += 1
        leaving = _direction(float(self._lanes[path[last]].yaw_rad[-1]))
        side = _cross(heading, leaving)
        if abs(math.atan2(side, float(heading @ leaving))) < STRAIGHT_LIMIT_RAD:
            return Command.STRAIGHT
        others = []
        for lane_id in self._graph.successors(approach.lane_id):
            if lane_id == path[position] or self._changes_lane(approach.lane_id, lane_id):
                continue
            way = self._lanes[lane_id].points_world_m[[0, -1], :2]
            direction = way[1] - way[0]
            others.append(_cross(heading, direction / max(float(np.linalg.norm(direction)), 1e-6)))
        if others and side < min(others):
            return Command.LEFT
        if others and side > max(others):
            return Command.RIGHT
        return Command.LEFT if side < 0.0 else Command.RIGHT


def _same_direction(waypoint: carla.Waypoint, other: carla.Waypoint | None) -> bool:
    """Whether the lane beside is a driving lane of the same road in the same direction."""
    return (
        other is not None
        and other.lane_type == carla.LaneType.Driving
        and other.road_id == waypoint.road_id
        and (other.lane_id > 0) == (waypoint.lane_id > 0)
    )


def _direction(yaw_rad: float) -> NDArray[np.float64]:
    return np.array([math.cos(yaw_rad), math.sin(yaw_rad)])


def _cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Positive when `second` points to the right of `first` (y is right)."""
    return float(first[0] * second[1] - first[1] * second[0])


def _text(position: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in position) + ")"
