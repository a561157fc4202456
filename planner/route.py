"""Routes as polylines, their thinning, and the choice of the next target points.

`thin_plan` selects the same points as `downsample_route` of carla-simulator/leaderboard; the radii
of `RoutePlanner` are those of the agents of TransFuser's family.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planner.records import Command, EgoState, FloatArray, Target

LEADERBOARD_THINNING_M = 200.0


@dataclass(frozen=True)
class LinePosition:
    """Where a position lies relative to a polyline.

    Attributes:
        s_m: arc length of the nearest point on the line.
        lateral_m: signed distance to the line, right of it positive (CARLA's handedness).
        distance_m: distance to the nearest point of the line.
    """

    s_m: float
    lateral_m: float
    distance_m: float


class Polyline:
    """A chain of straight segments, addressed by arc length.

    Points that do not make it longer are dropped: repeated ones, and steps below the resolution of
    the arc length. Works in any planar frame with y to the right of x.

    Args:
        points_m: (n, 2) finite points, n >= 1.

    Raises:
        ValueError: wrong shape, no point, or a point that is not finite.
    """

    def __init__(self, points_m: npt.ArrayLike) -> None:
        points = _checked_points(points_m)
        lengths_m = np.linalg.norm(np.diff(points, axis=0), axis=1)
        s_m = np.concatenate([[0.0], np.cumsum(lengths_m)])
        kept = np.concatenate([[True], np.diff(s_m) > 0.0])
        self.points_m: FloatArray = points[kept]
        self.s_m: FloatArray = s_m[kept]
        self._steps_m = np.diff(self.points_m, axis=0)
        self._lengths_m: FloatArray = np.linalg.norm(self._steps_m, axis=1)

    @property
    def length_m(self) -> float:
        """Arc length of the whole line."""
        return float(self.s_m[-1])

    def point_at(self, s_m: npt.ArrayLike) -> FloatArray:
        """Point (2,) or points (n, 2) at these arc lengths, clamped to the line's ends."""
        along_m = np.asarray(s_m, dtype=np.float64)
        x_m, y_m = (np.interp(along_m, self.s_m, self.points_m[:, axis]) for axis in (0, 1))
        return np.stack([x_m, y_m], axis=-1)

    def heading_at(self, s_m: float) -> float:
        """Heading in radians of the segment at an arc length; 0 for a line of one point."""
        if len(self._steps_m) == 0:
            return 0.0
        segment = int(np.searchsorted(self.s_m, s_m, side="right")) - 1
        step_m = self._steps_m[min(max(segment, 0), len(self._steps_m) - 1)]
        return math.atan2(step_m[1], step_m[0])

    def project(
        self,
        position_m: npt.ArrayLike,
        near_s_m: float | None = None,
        backward_m: float = 10.0,
        forward_m: float = 50.0,
    ) -> LinePosition:
        """Nearest point of the line, or of a stretch of it.

        Args:
            position_m: (2,) position.
            near_s_m: arc length where the position was last seen. Only the stretch around it is
                searched, so that a line crossing itself is followed in order. None: the whole line.
            backward_m: length of the stretch before `near_s_m`.
            forward_m: length of the stretch after it.
        """
        position = np.asarray(position_m, dtype=np.float64)
        if len(self._steps_m) == 0:
            distance_m = float(np.linalg.norm(position - self.points_m[0]))
            return LinePosition(0.0, 0.0, distance_m)
        low_m, high_m = 0.0, self.length_m
        if near_s_m is not None:
            low_m = min(max(near_s_m - backward_m, 0.0), self.length_m)
            high_m = min(max(near_s_m + forward_m, low_m), self.length_m)
        first = max(int(np.searchsorted(self.s_m, low_m, side="right")) - 1, 0)
        first = min(first, len(self._steps_m) - 1)
        last = max(int(np.searchsorted(self.s_m, high_m, side="left")), first + 1)
        start_m, lengths_m = self.s_m[first:last], self._lengths_m[first:last]
        units = self._steps_m[first:last] / lengths_m[:, None]
        offset_m = position - self.points_m[first:last]
        along_m = np.clip(np.sum(offset_m * units, axis=1), 0.0, lengths_m)
        along_m = np.clip(start_m + along_m, low_m, high_m) - start_m
        gap_m = offset_m - along_m[:, None] * units
        distances_m = np.linalg.norm(gap_m, axis=1)
        best = int(np.argmin(distances_m))
        side = units[best, 0] * offset_m[best, 1] - units[best, 1] * offset_m[best, 0]
        distance_m = float(distances_m[best])
        s_m = float(start_m[best] + along_m[best])
        return LinePosition(s_m, math.copysign(distance_m, side), distance_m)


def resample(points_m: npt.ArrayLike, spacing_m: float) -> FloatArray:
    """Points at equal arc-length distances along a polyline.

    Args:
        points_m: (n, 2) finite points, n >= 1.
        spacing_m: distance between neighbours, > 0.

    Returns:
        (m, 2): the first point, then one every `spacing_m` up to the end; the last point of the
        input is part of it only where it falls on the grid.

    Raises:
        ValueError: bad points, or a spacing that is not positive.
    """
    if not spacing_m > 0.0:
        raise ValueError(f"spacing_m must be positive, got {spacing_m}")
    line = Polyline(points_m)
    # The small excess keeps an end point that rounding pushed just off the grid.
    count = int((line.length_m + 1e-6) / spacing_m) + 1
    return line.point_at(spacing_m * np.arange(count))


def thin_plan(
    points_m: npt.ArrayLike,
    commands: Sequence[Command],
    max_distance_m: float = LEADERBOARD_THINNING_M,
) -> list[int]:
    """Indices of the points that the leaderboard tells an agent of.

    Kept are the first and the last point, each point of a lane change, the first point after a
    change of command (unless a lane change has just ended), and one point whenever more than
    `max_distance_m` have been driven since the last one kept.

    Args:
        points_m: (n, 2) or (n, 3); the leaderboard measures in three dimensions.
        commands: n commands.
        max_distance_m: distance after which a point is kept in any case.

    Raises:
        ValueError: the numbers of points and commands differ.
    """
    points = np.asarray(points_m, dtype=np.float64)
    if len(points) != len(commands):
        raise ValueError(f"{len(points)} points but {len(commands)} commands")
    kept: list[int] = []
    driven_m = 0.0
    for i, command in enumerate(commands):
        previous = commands[i - 1] if i > 0 else None
        keep = (
            previous is None
            or command.is_lane_change
            or (command != previous and not previous.is_lane_change)
            or driven_m > max_distance_m
            or i == len(points) - 1
        )
        if keep:
            kept.append(i)
            driven_m = 0.0
        else:
            driven_m += float(np.linalg.norm(points[i] - points[i - 1]))
    return kept


@dataclass(frozen=True)
class RoutePlannerSettings:
    """Radii of target selection.

    Attributes:
        min_distance_m: a point this near has been reached; targets lie beyond.
        max_distance_m: how far along the route later points are searched when the next is missed.
        miss_distance_m: a point passed at no more than this distance counts as reached.
        heading_tolerance_rad: largest angle between ego and route for a later point to be believed.
    """

    min_distance_m: float = 7.5
    max_distance_m: float = 50.0
    miss_distance_m: float = 20.0
    heading_tolerance_rad: float = math.pi / 3.0


class RouteAhead:
    """The stretch of a dense route that lies ahead, followed in order as the ego moves along.

    Args:
        points_world_m: (n, 2) finite points, n >= 1.

    Raises:
        ValueError: bad points.
    """

    def __init__(self, points_world_m: npt.ArrayLike) -> None:
        self._line = Polyline(points_world_m)
        self._s_m = 0.0

    def advance(self, ego: EgoState, length_m: float, spacing_m: float = 1.0) -> FloatArray:
        """Points (m, 2) in world metres, `spacing_m` apart, from beside the ego on; fewer at the
        route's end. An ego state that is not finite leaves it where it was."""
        if np.isfinite(ego.position_world_m).all():
            self._s_m = self._line.project(ego.position_world_m, self._s_m).s_m
        end_m = min(self._s_m + length_m, self._line.length_m)
        return self._line.point_at(np.append(np.arange(self._s_m, end_m, spacing_m), end_m))


class RoutePlanner:
    """Hands out the next two points of a route, which it uses up as the ego passes them.

    Points are used up in order, so that a route crossing itself is never cut short. A point is used
    up once the ego is near it; or once the ego is near a later point within `max_distance_m` of the
    way and heads along the route there; or when the ego has passed it within `miss_distance_m` and
    heads along the leg that follows. Works for dense routes and for the leaderboard's sparse ones.

    Args:
        points_world_m: (n, 2) finite points, n >= 1.
        commands: n commands.

    Raises:
        ValueError: bad points, or another number of commands.
    """

    def __init__(
        self,
        points_world_m: npt.ArrayLike,
        commands: Sequence[Command],
        settings: RoutePlannerSettings | None = None,
    ) -> None:
        self._points_m = _checked_points(points_world_m)
        if len(commands) != len(self._points_m):
            raise ValueError(f"{len(self._points_m)} points but {len(commands)} commands")
        self._commands = tuple(commands)
        self._settings = settings or RoutePlannerSettings()
        steps_m = np.linalg.norm(np.diff(self._points_m, axis=0), axis=1)
        self._s_m = np.concatenate([[0.0], np.cumsum(steps_m)])
        self._next = 0

    @property
    def next_index(self) -> int:
        """Index of the next target among the route's points."""
        return self._next

    def advance(self, ego: EgoState) -> tuple[Target, Target]:
        """Use up what the ego has passed; the next target and the one after it.

        The last point is never used up; at the end it is both targets. An ego state that is not
        finite uses up nothing.
        """
        position_m = np.asarray(ego.position_world_m, dtype=np.float64)
        if np.isfinite(position_m).all() and math.isfinite(ego.yaw_rad):
            while self._next < len(self._points_m) - 1:
                passed = self._count_passed(position_m, ego.yaw_rad)
                if passed == 0:
                    break
                self._next += passed
        return self._target(self._next), self._target(self._next + 1)

    def _target(self, index: int) -> Target:
        index = min(index, len(self._points_m) - 1)
        return Target(self._points_m[index].copy(), self._commands[index])

    def _count_passed(self, position_m: FloatArray, yaw_rad: float) -> int:
        """How many points to use up at least; 0 if the next one still lies ahead."""
        last = len(self._points_m) - 1
        distance_m = float(np.linalg.norm(self._points_m[self._next] - position_m))
        if distance_m <= self._settings.min_distance_m:
            return 1
        reach_m = self._s_m[self._next] + self._settings.max_distance_m
        end = min(int(np.searchsorted(self._s_m, reach_m, side="right")), last)
        later_m = np.linalg.norm(self._points_m[self._next + 1 : end] - position_m, axis=1)
        for index in self._next + 1 + np.flatnonzero(later_m <= self._settings.min_distance_m):
            leg_m = self._points_m[index] - self._points_m[index - 1]
            if self._agrees(leg_m, yaw_rad):
                return int(index) + 1 - self._next
        return 1 if self._is_missed(position_m, yaw_rad, distance_m) else 0

    def _is_missed(self, position_m: FloatArray, yaw_rad: float, distance_m: float) -> bool:
        # The leaderboard's plans repeat points where two parts of a route meet.
        distinct = int(np.searchsorted(self._s_m, self._s_m[self._next] + 1e-3, side="right"))
        following = min(distinct, len(self._points_m) - 1)
        leg_m = self._points_m[following] - self._points_m[self._next]
        beyond = float((position_m - self._points_m[self._next]) @ leg_m) > 0.0
        near = distance_m <= self._settings.miss_distance_m
        return near and beyond and self._agrees(leg_m, yaw_rad)

    def _agrees(self, leg_m: FloatArray, yaw_rad: float) -> bool:
        ahead_m = leg_m[0] * math.cos(yaw_rad) + leg_m[1] * math.sin(yaw_rad)
        length_m = float(np.linalg.norm(leg_m))
        return bool(ahead_m > length_m * math.cos(self._settings.heading_tolerance_rad))


def _checked_points(points_m: npt.ArrayLike) -> FloatArray:
    points = np.array(points_m, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(f"points must have the shape (n, 2) with n >= 1, got {points.shape}")
    if not np.isfinite(points).all():
        first = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(f"point {first} of the route is not finite: {points[first].tolist()}")
    return points
