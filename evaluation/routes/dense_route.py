"""A route as the points of the lanes that it runs along.

World frame as in CARLA: x forward/east, y right/south, z up, metres; yaw in radians, clockwise
positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.routes.lanes import Lane, LaneId
from planner.records import Command


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


class RouteTrace:
    """Grows a dense route lane by lane; drops points that repeat the one before."""

    def __init__(self) -> None:
        self.points: list[NDArray[np.float64]] = []
        self.yaw_rad: list[float] = []
        self.commands: list[Command] = []
        self.lanes: list[Lane] = []

    def add(self, lane: Lane, index: int, command: Command) -> None:
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
