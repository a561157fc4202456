"""Which of the other road users the ego has to slow down for, and how.

Everything is measured along the ego's path: a box occupies an interval of it while its side comes
nearer to the path than half the ego's width and a margin. Boxes that are on the path now are
followed (`Lead`); boxes that will be there when the ego would be there too are given way (`Yield`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.expert.lane_path import LanePath
from agent.expert.road_users import Forecast, RoadUsers

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

LOOK_AHEAD_M = 70.0


@dataclass(frozen=True)
class ConflictSettings:
    """Margins around the ego."""

    side_margin_m: float = 0.3
    crossing_margin_m: float = 0.5
    walker_margin_m: float = 0.8
    time_margin_s: float = 0.8
    yield_gap_m: float = 2.5
    """Room left before the place that a crossing box will occupy."""
    crossing_angle_rad: float = np.radians(50.0)
    near_crossing_m: float = 10.0
    """A box across the path nearer than this is stopped for even if it moves away."""


@dataclass(frozen=True)
class EgoBody:
    """Outline of the ego: from the actor's origin forward, back, and half its width (m)."""

    front_m: float = 2.45
    rear_m: float = 2.45
    half_width_m: float = 0.93


@dataclass(frozen=True)
class Lead:
    """Something on the path ahead: the free room to it and its speed along the path."""

    actor_id: int
    kind: str
    gap_m: float
    speed_mps: float


@dataclass(frozen=True)
class Yield:
    """Something that will cross: stop with the front bumper within `distance_m`."""

    actor_id: int
    kind: str
    distance_m: float
    time_s: float


@dataclass(frozen=True)
class _Occupancy:
    """Per box and time: first and last distance along the path, and whether it is on it."""

    first_m: F64
    last_m: F64
    on_path: Mask
    relative_yaw_rad: F64


def _occupancy(
    path: LanePath,
    distance_m: float,
    users: RoadUsers,
    ahead: Forecast,
    body: EgoBody,
    settings: ConflictSettings,
) -> _Occupancy:
    along, lateral, path_yaw = path.frenet(
        ahead.centres_world_m, distance_m - 10.0, distance_m + LOOK_AHEAD_M + 10.0
    )
    relative = ahead.yaws_rad - path_yaw
    cosine, sine = np.abs(np.cos(relative)), np.abs(np.sin(relative))
    length, width = users.half_extents_m[:, :1], users.half_extents_m[:, 1:]
    half_along = length * cosine + width * sine
    half_across = length * sine + width * cosine
    margin = np.where(
        np.array([kind == "walker" for kind in users.kinds], dtype=bool)[:, None],
        settings.walker_margin_m,
        np.where(sine > 0.5, settings.crossing_margin_m, settings.side_margin_m),
    )
    inside = (along > distance_m - 9.0) & (along < distance_m + LOOK_AHEAD_M + 9.0)
    on_path = inside & (np.abs(lateral) - half_across - body.half_width_m < margin)
    wrapped = np.arctan2(np.sin(relative), np.cos(relative))
    return _Occupancy(along - half_along, along + half_along, on_path, wrapped)


def find_conflicts(
    path: LanePath,
    distance_m: float,
    ego_distances_m: F64,
    users: RoadUsers,
    ahead: Forecast,
    body: EgoBody,
    settings: ConflictSettings,
) -> tuple[list[Lead], list[Yield]]:
    """Leads and yields for an ego at `distance_m` along its path.

    `ego_distances_m` (t,) is where the ego would be at the forecast's times (t,), the first of
    which is now, if it met nobody.
    """
    if len(users) == 0:
        return [], []
    occupancy = _occupancy(path, distance_m, users, ahead, body, settings)
    front_m = distance_m + body.front_m
    leads: list[Lead] = []
    yields: list[Yield] = []
    for row in range(len(users)):
        if occupancy.last_m[row, 0] < distance_m and _moves_with_path(occupancy, row):
            continue  # follows behind: it is for them to keep the distance
        lead = _lead(occupancy, users, row, front_m, settings)
        if lead is not None:
            leads.append(lead)
            continue
        moment = _first_meeting(occupancy, row, ego_distances_m, ahead.times_s, body, settings)
        if moment is None:
            continue
        if abs(occupancy.relative_yaw_rad[row, moment]) < settings.crossing_angle_rad:
            gap_m = float(occupancy.first_m[row, moment]) - front_m
            gap_m -= float(users.speeds_mps[row] * ahead.times_s[moment])
            leads.append(
                Lead(
                    users.ids[row],
                    users.kinds[row],
                    max(gap_m, 0.5),
                    _along_speed(users, occupancy, row, moment),
                )
            )
        else:
            first_m = float(np.min(occupancy.first_m[row][occupancy.on_path[row]]))
            room_m = first_m - front_m - settings.yield_gap_m
            yields.append(
                Yield(users.ids[row], users.kinds[row], room_m, float(ahead.times_s[moment]))
            )
    return leads, yields


def _moves_with_path(occupancy: _Occupancy, row: int) -> bool:
    return bool(abs(occupancy.relative_yaw_rad[row, 0]) < 1.0)


def _along_speed(users: RoadUsers, occupancy: _Occupancy, row: int, moment: int) -> float:
    return float(users.speeds_mps[row] * np.cos(occupancy.relative_yaw_rad[row, moment]))


def _lead(
    occupancy: _Occupancy, users: RoadUsers, row: int, front_m: float, settings: ConflictSettings
) -> Lead | None:
    """The box as something to follow, when it is on the path now and not just crossing it."""
    if not occupancy.on_path[row, 0] or occupancy.last_m[row, 0] < front_m:
        return None
    gap_m = float(occupancy.first_m[row, 0]) - front_m
    if gap_m > LOOK_AHEAD_M:
        return None
    speed = float(users.speeds_mps[row])
    crossing = abs(occupancy.relative_yaw_rad[row, 0]) > settings.crossing_angle_rad
    if users.kinds[row] == "walker":
        crossing = speed > 0.3
    if crossing and speed > 1.0 and gap_m > settings.near_crossing_m:
        return None
    along_mps = 0.0 if crossing else max(0.0, _along_speed(users, occupancy, row, 0))
    return Lead(users.ids[row], users.kinds[row], gap_m, along_mps)


def _first_meeting(
    occupancy: _Occupancy,
    row: int,
    ego_distances_m: F64,
    times_s: F64,
    body: EgoBody,
    settings: ConflictSettings,
) -> int | None:
    """Index of the first time at which both would be at one place, give or take the margin."""
    late = np.interp(times_s + settings.time_margin_s, times_s, ego_distances_m)
    early = np.interp(times_s - settings.time_margin_s, times_s, ego_distances_m)
    meets = (
        occupancy.on_path[row]
        & (occupancy.first_m[row] < late + body.front_m)
        & (occupancy.last_m[row] > early - body.rear_m)
        # What the ego's body has already passed cannot be given way any more.
        & (occupancy.last_m[row] > ego_distances_m[0] + 0.5 * body.front_m)
    )
    return int(np.argmax(meets)) if bool(meets.any()) else None
