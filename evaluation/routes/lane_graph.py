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
from collections.abc import Sequence

import carla
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evaluation.errors import UserError
from evaluation.routes.dense_route import DenseRoute, RouteTrace
from evaluation.routes.lanes import Lane, LaneId, LaneSampler, lane_id_of, lane_of
from evaluation.simulator.town.opendrive_records import OpenDriveError
from planner.records import Command

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


class LaneRouteError(UserError, ValueError):
    """A position is off the map, no lane leads from one position to the next, or the map has no
    lanes that can be read."""


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
        self._lanes: dict[LaneId, Lane] = {}
        self._graph = nx.DiGraph()
        beside: list[tuple[LaneId, LaneId, Command]] = []
        try:
            sampled = list(LaneSampler(world_map, spacing_m).driving_lanes())
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
        lane = lane_of(lane_id, waypoints)
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
        trace = RouteTrace()
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
        self, trace: RouteTrace, start: tuple[LaneId, int], end: tuple[LaneId, int]
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
