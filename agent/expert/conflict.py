"""Which of the other road users the ego has to slow down for, and how.

Everything is measured along the ego's path: a box occupies an interval of it while its side comes
nearer to the path than half the ego's width and a margin. Boxes that are on the path now are
followed (`Lead`); boxes that will be there when the ego would be there too are followed if they
come onto the path well ahead in its direction, and else given way (`Yield`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.expert.lane_path import LanePath
from agent.expert.road_users import Forecast, RoadUsers

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

LOOK_AHEAD_M = 70.0
BEHIND_M = 30.0
PATIENT_S, FORCES_S = 2.0, 12.0
"""The ego's margins shrink between these times of waiting."""
FORCES_MERGE_S = 60.0
"""The same for who comes up from behind: one that does not brake hits it for certain."""
FORCED_BEFORE_S = -0.5
"""In the end others come this much earlier than the ego has left: they have to brake for it."""
GOES_ON_S = 0.4
WAITED_NEAR_M = 20.0
WAITING_MPS = 0.3
PASSES_MPS = 3.0
"""Who is faster than the ego by this draws away from it."""
OVER_LINE_M = 0.4
"""A car that has stopped by its bumper too far stays where it is."""
INSIDE_M = 6.0
"""With its front this far behind a line the whole ego is in the junction."""
STANDS_INSIDE_M = 9.0
"""As far behind a line as this the ego still stands before those who come towards it."""
LINE_GAP_M = 1.5
"""Room between the front bumper and the place where a junction begins, when the ego waits."""


@dataclass(frozen=True)
class ConflictSettings:
    """Margins around the ego."""

    side_margin_m: float = 0.3
    crossing_margin_m: float = 0.5
    walker_margin_m: float = 0.8
    before_s: float = 0.5
    """The ego leaves a place this long before somebody else comes to it..."""
    after_s: float = 0.3
    """...or comes to it this long after somebody else has left it."""
    merge_before_s: float = 0.8
    """Instead of `before_s`, where somebody comes up from behind on the lane that the ego enters:
    the ego is slower at first, and who crosses leaves the place, but one behind does not."""
    walker_after_s: float = 0.8
    yield_gap_m: float = 1.5
    """Room left before the place that a crossing box will occupy."""
    crossing_angle_rad: float = np.radians(50.0)
    near_walker_m: float = 10.0
    """Somebody who walks across the path nearer than this is stopped for even if about to leave."""
    beside_m: float = 1.0
    """Who will be on the path ahead, but now would be this near the ego or beside it, is let go
    first: there is no room to fall in behind without stopping."""


TOUCH = ConflictSettings(
    side_margin_m=0.2,
    crossing_margin_m=0.2,
    walker_margin_m=0.2,
    before_s=0.0,
    after_s=0.0,
    walker_after_s=0.0,
    merge_before_s=0.0,
)
"""Nearly no margins: who is met so is hit, or would be where a forecast is off by so little."""


def impatient(settings: ConflictSettings, waited_s: float, goes: bool) -> ConflictSettings:
    """The margins of an ego that has waited: they shrink until it expects others to brake a little.

    Without this it would wait for good at a busy road, where everybody in the end nudges in. One
    that `goes` after a wait takes that back only for a margin that is smaller still.
    """
    share = min(max((waited_s - PATIENT_S) / (FORCES_S - PATIENT_S), 0.0), 1.0)
    merge_share = min(max((waited_s - PATIENT_S) / (FORCES_MERGE_S - PATIENT_S), 0.0), 1.0)
    before_s = settings.before_s + share * (FORCED_BEFORE_S - settings.before_s)
    merge_s = settings.merge_before_s + merge_share * (FORCED_BEFORE_S - settings.merge_before_s)
    goes_on_s = GOES_ON_S if goes and waited_s > 0.0 else 0.0
    return dataclasses.replace(
        settings,
        before_s=before_s - goes_on_s,
        merge_before_s=merge_s - goes_on_s,
        after_s=settings.after_s * (1.0 - share),
    )


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
    """Something that will cross or come up from behind: stop with the front bumper within
    `distance_m`."""

    actor_id: int
    kind: str
    distance_m: float
    time_s: float


@dataclass(frozen=True)
class Occupancy:
    """Per box and time (n, t): first and last distance along the path, whether it is on it."""

    first_m: F64
    last_m: F64
    on_path: Mask
    relative_yaw_rad: F64


def occupancy(
    path: LanePath,
    distance_m: float,
    reach_m: float,
    users: RoadUsers,
    ahead: Forecast,
    body: EgoBody,
    settings: ConflictSettings,
) -> Occupancy:
    """Which stretch of the path each box takes, from the ego's back to `reach_m` ahead of it."""
    along, lateral, path_yaw = path.frenet(
        ahead.centres_world_m, distance_m - BEHIND_M, distance_m + reach_m
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
    inside = (along > distance_m - BEHIND_M + 1.0) & (along < distance_m + reach_m - 1.0)
    on_path = inside & (np.abs(lateral) - half_across - body.half_width_m < margin)
    wrapped = np.arctan2(np.sin(relative), np.cos(relative))
    return Occupancy(along - half_along, along + half_along, on_path, wrapped)


def find_conflicts(
    path: LanePath,
    distance_m: float,
    ego_distances_m: F64,
    users: RoadUsers,
    ahead: Forecast,
    body: EgoBody,
    settings: ConflictSettings,
    has_looked_back: bool = False,
) -> tuple[list[Lead], list[Yield]]:
    """Leads and yields for an ego at `distance_m` along its path.

    `ego_distances_m` (t,) is where the ego would be at the forecast's times (t,), the first of
    which is now, if it met nobody. An ego that has looked back, and found a gap, cares no more for
    who comes from behind.
    """
    if len(users) == 0:
        return [], []
    taken = occupancy(path, distance_m, LOOK_AHEAD_M + 10.0, users, ahead, body, settings)
    meets = _meetings(taken, users, ego_distances_m, ahead.times_s, body, settings)
    front_m = distance_m + body.front_m
    pace_mps = float(ego_distances_m[1] - ego_distances_m[0]) / float(ahead.times_s[1])
    leads: list[Lead] = []
    yields: list[Yield] = []
    for row in range(len(users)):
        is_behind = taken.last_m[row, 0] < distance_m and _moves_with_path(taken, row)
        if is_behind and (has_looked_back or taken.on_path[row, 0]):
            continue  # follows the ego: it is for them to keep the distance
        lead = _lead(taken, users, row, front_m, pace_mps, settings)
        if lead is None and bool(meets[row].any()):
            moment = int(np.argmax(meets[row]))
            time_s = float(ahead.times_s[moment])
            passes = has_looked_back and _passes(taken, users, row, distance_m, pace_mps)
            nearest_m = -np.inf if passes else settings.beside_m
            lead = _joins_ahead(
                taken, users, row, moment, time_s, front_m, nearest_m, settings.crossing_angle_rad
            )
            if lead is None:
                first_m = float(np.min(taken.first_m[row][taken.on_path[row]]))
                room_m = first_m - front_m - settings.yield_gap_m
                yields.append(Yield(users.ids[row], users.kinds[row], room_m, time_s))
        if lead is not None:
            leads.append(lead)
    return leads, yields


def first_touch_s(
    path: LanePath,
    distance_m: float,
    ego_distances_m: F64,
    users: RoadUsers,
    ahead: Forecast,
    body: EgoBody,
) -> float:
    """When an ego that is at `ego_distances_m` (t,) at the forecast's times would first touch
    somebody, or nearly so; infinite where it touches nobody."""
    if len(users) == 0:
        return math.inf
    taken = occupancy(path, distance_m, LOOK_AHEAD_M + 10.0, users, ahead, body, TOUCH)
    touches = _meetings(taken, users, ego_distances_m, ahead.times_s, body, TOUCH).any(axis=0)
    return float(ahead.times_s[int(np.argmax(touches))]) if bool(touches.any()) else math.inf


class Patience:
    """How long the ego has stood for others where it is.

    Attributes:
        waited_s: time; nothing again once the ego is well past the place.
    """

    def __init__(self) -> None:
        self.waited_s = 0.0
        self._place_m = 0.0

    def step(self, distance_m: float, speed_mps: float, yields: bool, dt_s: float) -> None:
        """Take note of a tick."""
        if distance_m > self._place_m + WAITED_NEAR_M:
            self.waited_s = 0.0
        if yields and speed_mps < WAITING_MPS:
            self.waited_s += dt_s
            self._place_m = distance_m


def wait_room_m(
    room_m: float,
    front_m: float,
    junctions_m: Sequence[tuple[float, float]],
    clear_m: float = -math.inf,
) -> float:
    """Room to where to wait for somebody `room_m` ahead: near who crosses, from where a smaller gap
    does, but not half over the line of one of these junctions: with lights the ego would run the
    one that turns red meanwhile, and nowhere would those who turn have room.

    Where the ego can go `clear_m` on without being in anybody's way, and is wholly in the junction
    there, it waits there: who turns off across those who come towards it goes when they stop.
    """
    for enter_m, leave_m in junctions_m:
        if enter_m + INSIDE_M <= front_m + clear_m and front_m < enter_m + STANDS_INSIDE_M:
            return max(min(clear_m, leave_m - front_m), room_m)
        line_m = enter_m - LINE_GAP_M
        last_m = min(enter_m + INSIDE_M, leave_m + LINE_GAP_M)
        if front_m <= enter_m and line_m < front_m + room_m <= last_m:
            return max(line_m - front_m, -OVER_LINE_M)
    return room_m


def _moves_with_path(taken: Occupancy, row: int) -> bool:
    return bool(abs(taken.relative_yaw_rad[row, 0]) < 1.0)


def _passes(
    taken: Occupancy, users: RoadUsers, row: int, distance_m: float, pace_mps: float
) -> bool:
    """Whether somebody beside the ego is about to be ahead of it: braking for that one, the ego
    would lose the speed with which its gap was found."""
    middle_m = 0.5 * (taken.first_m[row, 0] + taken.last_m[row, 0])
    faster_mps = _along_speed(users, taken, row, 0) - pace_mps
    return bool(middle_m > distance_m and faster_mps > PASSES_MPS)


def _along_speed(users: RoadUsers, taken: Occupancy, row: int, moment: int) -> float:
    return float(users.speeds_mps[row] * np.cos(taken.relative_yaw_rad[row, moment]))


def _lead(
    taken: Occupancy,
    users: RoadUsers,
    row: int,
    front_m: float,
    pace_mps: float,
    settings: ConflictSettings,
) -> Lead | None:
    """The box as something to follow, when it is on the path now and not just crossing it, nor
    going past beside the ego, whose speed is `pace_mps`."""
    if not taken.on_path[row, 0] or taken.last_m[row, 0] < front_m:
        return None
    gap_m = float(taken.first_m[row, 0]) - front_m
    if gap_m > LOOK_AHEAD_M:
        return None
    speed = float(users.speeds_mps[row])
    crossing = abs(taken.relative_yaw_rad[row, 0]) > settings.crossing_angle_rad
    near_m = 0.0
    if users.kinds[row] == "walker":
        crossing, near_m = speed > 0.3, settings.near_walker_m
    if crossing and speed > 1.0 and gap_m > near_m:
        return None
    along_mps = 0.0 if crossing else max(0.0, _along_speed(users, taken, row, 0))
    if gap_m < 0.0 and along_mps > pace_mps:
        return None
    return Lead(users.ids[row], users.kinds[row], gap_m, along_mps)


def _joins_ahead(
    taken: Occupancy,
    users: RoadUsers,
    row: int,
    moment: int,
    time_s: float,
    front_m: float,
    nearest_m: float,
    crossing_angle_rad: float,
) -> Lead | None:
    """A box that comes onto the path in its direction, as if it were on it now: to be followed,
    unless it is so near, less than `nearest_m` ahead, that the ego has to let it go first."""
    if abs(taken.relative_yaw_rad[row, moment]) > crossing_angle_rad:
        return None
    gap_m = float(taken.first_m[row, moment]) - front_m - float(users.speeds_mps[row]) * time_s
    if gap_m < nearest_m:
        return None
    return Lead(users.ids[row], users.kinds[row], gap_m, _along_speed(users, taken, row, moment))


def _meetings(
    taken: Occupancy,
    users: RoadUsers,
    ego_distances_m: F64,
    times_s: F64,
    body: EgoBody,
    settings: ConflictSettings,
) -> Mask:
    """Per box and time (n, t): whether both would be at one place, give or take the margins."""
    walks = np.array([kind == "walker" for kind in users.kinds], dtype=bool)[:, None]
    soon = np.interp(times_s + settings.after_s, times_s, ego_distances_m)
    late = np.interp(times_s + settings.walker_after_s, times_s, ego_distances_m)
    early, merge_early = (
        np.interp(times_s - before_s, times_s, ego_distances_m)
        for before_s in (settings.before_s, settings.merge_before_s)
    )
    follows = np.abs(taken.relative_yaw_rad) < settings.crossing_angle_rad
    meets: Mask = (
        taken.on_path
        & (taken.first_m < np.where(walks, late, soon) + body.front_m)
        & (taken.last_m > np.where(follows, merge_early, early) - body.rear_m)
        # What the ego's body has already passed cannot be given way any more.
        & (taken.last_m > ego_distances_m[0] + 0.5 * body.front_m)
    )
    return meets
