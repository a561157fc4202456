"""From the route that the leaderboard hands out to the line that the expert drives.

`set_global_plan` gets the dense route (a point per metre) in the official evaluator and in ours.
Lane changes, which both draw as a jump to the side, are drawn out to a smooth curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

from agent.expert.lane_change import LaneChange
from agent.expert.lane_path import LanePath, build_path
from agent.expert.path_shift import smooth_step

F64 = NDArray[np.float64]

DENSE_SPACING_M = 6.0
"""Above this median distance between points a plan counts as thinned."""
LANE_CHANGE_M = 24.0
"""Length of a lane change: three seconds at 8 m/s."""
JUMP_ANGLE_RAD = np.radians(18.0)
JUMP_SIDE_M = 1.2
"""A step at a larger angle to the lane and farther to the side than this is a lane change."""
CONTINUATION_M = 60.0
"""How far the path goes on beyond the end of the route, so that it never ends under the car."""
CONTINUATION_STEP_M = 1.0


@dataclass(frozen=True)
class PlannedPath:
    """The line to drive for a route; `junctions_m` are the stretches of it, from and to, that lie
    in junctions, `lane_changes` those where it changes lanes."""

    path: LanePath
    route_length_m: float
    junctions_m: tuple[tuple[float, float], ...]
    lane_changes: tuple[LaneChange, ...]


def plan_path(positions_world_m: F64, yaws_rad: F64, world_map: carla.Map) -> PlannedPath:
    """Path to drive for a global plan.

    Args:
        positions_world_m: (n, 3) positions of the plan, n >= 2.
        yaws_rad: (n,) lane direction at these positions.
        world_map: the map, for the continuation at the end of the plan.

    Raises:
        ValueError: the plan has fewer than two points, or was thinned.
    """
    if len(positions_world_m) < 2:
        raise ValueError(f"the global plan needs two or more points, got {len(positions_world_m)}")
    if _median_step_m(positions_world_m) > DENSE_SPACING_M:
        raise ValueError(
            f"the global plan has a point every {_median_step_m(positions_world_m):.0f} m; the "
            "expert needs the dense one, which the leaderboard gives to set_global_plan"
        )
    positions_world_m, yaws_rad = _drop_steps_back(positions_world_m, yaws_rad)
    in_junction = np.array([_in_junction(place, world_map) for place in positions_world_m])
    line = smooth_lane_changes(positions_world_m[:, :2], yaws_rad, in_junction)
    route_length_m = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    tail = _continuation(positions_world_m[-1], float(yaws_rad[-1]), world_map)
    path = build_path(np.concatenate((line, tail)))
    return PlannedPath(
        path=path,
        route_length_m=min(route_length_m, path.length_m),
        junctions_m=_stretches(path, line, in_junction),
        lane_changes=_lane_changes(path, line, positions_world_m, yaws_rad, in_junction),
    )


def smooth_lane_changes(
    points_world_m: F64,
    yaws_rad: F64,
    in_junction: NDArray[np.bool_] | None = None,
    length_m: float = LANE_CHANGE_M,
) -> F64:
    """Draw out every jump to the side over `length_m`: (n, 2) points in and out.

    The change is centred on the jump where there is room; it stays clear of the route's ends and of
    the points that lie in a junction (n,), as far as a change of a few metres allows.
    """
    points = points_world_m.copy()
    right = np.stack([-np.sin(yaws_rad), np.cos(yaws_rad)], axis=1)
    distance = _forward_m(points_world_m, yaws_rad)
    for jump in _jumps(points_world_m, yaws_rad, in_junction, length_m):
        share = smooth_step((distance - jump.start_m) / (jump.end_m - jump.start_m))
        share[jump.index + 1 :] -= 1.0
        points += right * (jump.side_m * share)[:, None]
    return points


@dataclass(frozen=True)
class _Jump:
    """A jump to the side after point `index`, drawn out between two distances; `high_m` is as far
    as it could be put off. All are measured along the plan's lanes."""

    index: int
    side_m: float
    start_m: float
    end_m: float
    high_m: float


def _jumps(
    points_world_m: F64, yaws_rad: F64, in_junction: NDArray[np.bool_] | None, length_m: float
) -> list[_Jump]:
    distance = _forward_m(points_world_m, yaws_rad)
    steps = np.diff(points_world_m, axis=0)
    barred = np.zeros(len(points_world_m), dtype=bool) if in_junction is None else in_junction
    jumps: list[_Jump] = []
    for index in find_lane_changes(points_world_m, yaws_rad):
        yaw = float(yaws_rad[index])
        side_m = float(-steps[index, 0] * np.sin(yaw) + steps[index, 1] * np.cos(yaw))
        before = np.flatnonzero(barred[: index + 1])
        after = np.flatnonzero(barred[index + 1 :])
        low_m = float(distance[before[-1]]) if len(before) else 0.0
        high_m = float(distance[index + 1 + after[0]]) if len(after) else float(distance[-1])
        middle_m = 0.5 * float(distance[index] + distance[index + 1])
        start_m = max(low_m, min(middle_m - 0.5 * length_m, high_m - length_m))
        end_m = min(high_m, start_m + length_m)
        if end_m - start_m >= 2.0:
            jumps.append(_Jump(index, side_m, start_m, end_m, high_m))
    return jumps


def _forward_m(points_world_m: F64, yaws_rad: F64) -> F64:
    """Distances (n,) along the lanes of the plan, jumps to the side left out."""
    steps = np.diff(points_world_m, axis=0)
    forward_m = steps[:, 0] * np.cos(yaws_rad[:-1]) + steps[:, 1] * np.sin(yaws_rad[:-1])
    return np.concatenate(([0.0], np.cumsum(np.abs(forward_m))))


def _lane_changes(
    path: LanePath,
    line_world_m: F64,
    positions_world_m: F64,
    yaws_rad: F64,
    in_junction: NDArray[np.bool_],
) -> tuple[LaneChange, ...]:
    """The plan's changes of lanes, by distances along the path; `line_world_m` (n, 2) is the plan
    with the changes drawn out."""
    distance = _forward_m(positions_world_m[:, :2], yaws_rad)

    def along_m(forward_m: float) -> float:
        point = [np.interp(forward_m, distance, line_world_m[:, axis]) for axis in (0, 1)]
        return path.locate(np.array(point), forward_m)[0]

    return tuple(
        LaneChange(along_m(jump.start_m), along_m(jump.end_m), jump.side_m, along_m(jump.high_m))
        for jump in _jumps(positions_world_m[:, :2], yaws_rad, in_junction, LANE_CHANGE_M)
    )


def find_lane_changes(points_world_m: F64, yaws_rad: F64) -> list[int]:
    """Indices i where the step from point i to i + 1 leaves the lane sideways."""
    steps = np.diff(points_world_m, axis=0)
    forward = steps[:, 0] * np.cos(yaws_rad[:-1]) + steps[:, 1] * np.sin(yaws_rad[:-1])
    side = -steps[:, 0] * np.sin(yaws_rad[:-1]) + steps[:, 1] * np.cos(yaws_rad[:-1])
    turn = np.abs(np.remainder(np.diff(yaws_rad) + np.pi, 2.0 * np.pi) - np.pi)
    sideways = np.abs(np.arctan2(side, np.abs(forward))) > JUMP_ANGLE_RAD
    return [int(i) for i in np.flatnonzero(sideways & (np.abs(side) > JUMP_SIDE_M) & (turn < 0.5))]


def _median_step_m(positions_world_m: F64) -> float:
    return float(np.median(np.linalg.norm(np.diff(positions_world_m[:, :2], axis=0), axis=1)))


def _in_junction(position_world_m: F64, world_map: carla.Map) -> bool:
    location = carla.Location(*(float(value) for value in position_world_m))
    waypoint = world_map.get_waypoint(location)
    return waypoint is not None and bool(waypoint.is_junction)


def _stretches(
    path: LanePath, line_world_m: F64, inside: NDArray[np.bool_]
) -> tuple[tuple[float, float], ...]:
    """Where the path runs between the first and the last point of each run of `inside` (n,)."""
    steps = np.linalg.norm(np.diff(line_world_m, axis=0), axis=1)
    distance = np.concatenate(([0.0], np.cumsum(steps)))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], inside, [False])).astype(int)))
    return tuple(
        (
            path.locate(line_world_m[first], float(distance[first]))[0],
            path.locate(line_world_m[after - 1], float(distance[after - 1]))[0],
        )
        for first, after in edges.reshape(-1, 2)
    )


def _drop_steps_back(positions_world_m: F64, yaws_rad: F64) -> tuple[F64, F64]:
    """Remove points that do not lead forward: legs of a route overlap by a point or two."""
    keep = [0]
    for index in range(1, len(positions_world_m)):
        step = positions_world_m[index, :2] - positions_world_m[keep[-1], :2]
        yaw = yaws_rad[keep[-1]]
        if step[0] * np.cos(yaw) + step[1] * np.sin(yaw) > 0.05:
            keep.append(index)
    return positions_world_m[keep], yaws_rad[keep]


def _continuation(position_world_m: F64, yaw_rad: float, world_map: carla.Map) -> F64:
    """(m, 2) points of the lane beyond the end of the route, taking the straightest way."""
    points: list[tuple[float, float]] = []
    waypoint = _aligned_waypoint(position_world_m, yaw_rad, world_map)
    while waypoint is not None and len(points) < CONTINUATION_M / CONTINUATION_STEP_M:
        waypoint = _straightest(waypoint, waypoint.next(CONTINUATION_STEP_M))
        if waypoint is not None:
            location = waypoint.transform.location
            points.append((location.x, location.y))
    if len(points) < 5:
        ahead_m = np.arange(1.0, CONTINUATION_M + 0.5)[:, None]
        direction = np.array([np.cos(yaw_rad), np.sin(yaw_rad)])
        straight: F64 = position_world_m[:2] + ahead_m * direction
        return straight
    return np.array(points)


def _aligned_waypoint(
    position_world_m: F64, yaw_rad: float, world_map: carla.Map
) -> carla.Waypoint | None:
    waypoint = world_map.get_waypoint(carla.Location(*(float(v) for v in position_world_m)))
    if waypoint is None:
        return None
    turn = np.radians(waypoint.transform.rotation.yaw) - yaw_rad
    return waypoint if np.cos(turn) > 0.7 else None


def _straightest(
    waypoint: carla.Waypoint, choices: Sequence[carla.Waypoint]
) -> carla.Waypoint | None:
    yaw_deg = waypoint.transform.rotation.yaw
    return max(
        choices,
        key=lambda choice: np.cos(np.radians(choice.transform.rotation.yaw - yaw_deg)),
        default=None,
    )
