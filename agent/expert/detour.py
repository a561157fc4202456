"""Where to pass an obstacle, and whether there is time to: the decisions of overtaking.

Pure functions from a situation to an offset, a shift of the path, or yes and no.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.expert.conflict import EgoBody, Occupancy
from agent.expert.lane_gap import GapSettings
from agent.expert.lane_room import LaneRoom
from agent.expert.obstacle import Obstacle
from agent.expert.path_shift import Shift, smooth_step

F64 = NDArray[np.float64]

WHOLE_LANE_M = 2.5
"""A strip narrower than this is no lane for a car."""


@dataclass(frozen=True)
class DetourSettings:
    """Margins and figures of overtaking."""

    side_margin_m: float = 0.55
    """Room between the ego and what it passes."""
    over_the_line_m: float = 0.3
    """How far the ego's side may stand over the edge of a lane as if it kept to the lane."""
    before_m: float = 0.8
    after_m: float = 1.5
    """The ego is beside its lane from this far before the obstacle until this far behind it."""
    wait_gap_m: float = 10.0
    """Room left to an obstacle while waiting: enough to steer out of it."""
    curvature_per_m: float = 0.2
    """Largest one of the way out; the wheels' lock allows 0.28."""
    easy_curvature_per_m: float = 0.1
    """The same where there is room: at 5 m/s the ego is over before a gap has closed."""
    lateral_acceleration_mps2: float = 2.0
    curve_acceleration_mps2: float = 3.2
    """Sideways, with which the ego takes the way out when it has gathered speed."""
    acceleration_mps2: float = 2.5
    """With which the ego gathers speed while it overtakes."""
    gap: GapSettings = field(default_factory=GapSettings)
    """What a lane of the ego's direction has to offer, to an ego that has not waited."""
    oncoming_side_m: float = 0.6
    """Room beside the ego that who comes towards it is left."""
    oncoming_m: float = 2.0
    oncoming_s: float = 0.6
    """Room before the ego and behind it, and time to go with it, that everybody else is left."""
    horizon_s: float = 20.0


@dataclass(frozen=True)
class Passage:
    """A way past an obstacle: the offset driven, and the least one that clears the obstacle."""

    offset_m: float
    least_m: float
    oncoming: bool


def passages(
    obstacle: Obstacle, room: LaneRoom, body: EgoBody, settings: DetourSettings
) -> list[Passage]:
    """Ways past an obstacle, best first.

    Best is what stays in the lane, then a lane of the same direction, taken whole so that nobody
    squeezes past the ego there, then an oncoming one, taken as little as need be.
    """
    clear_m = body.half_width_m + settings.side_margin_m
    left_m, right_m = obstacle.left_m - clear_m, obstacle.right_m + clear_m
    slack_m = settings.over_the_line_m
    choices: list[tuple[int, Passage]] = []
    for least_m, edge_m, far_m, oncoming in (
        (left_m, room.left_m, room.far_left_m, room.left_oncoming),
        (right_m, room.right_m, room.far_right_m, room.right_oncoming),
    ):
        side_m = abs(least_m) + body.half_width_m - slack_m
        passes_on_own_side = least_m * edge_m > 0.0
        if not passes_on_own_side or side_m <= abs(edge_m):
            choices.append((0, Passage(least_m, least_m, False)))
        elif side_m <= abs(far_m) and abs(far_m) > abs(edge_m):
            middle_m = 0.5 * (edge_m + far_m)
            whole_m = max(abs(least_m), abs(middle_m)) * np.sign(middle_m)
            offset_m = least_m if oncoming else float(whole_m)
            choices.append((2 if oncoming else 1, Passage(offset_m, least_m, oncoming)))
    choices.sort(key=lambda choice: (choice[0], abs(choice[1].least_m)))
    return [passage for _, passage in choices]


def ease_length_m(
    speed_mps: float, offset_m: float, settings: DetourSettings, curvature_per_m: float
) -> float:
    """Length over which an offset is taken on, by comfort at speed and by a curvature below.

    The quintic's largest second derivative is 5.77 times the offset over the length squared.
    """
    bend_m = 5.77 * abs(offset_m)
    time_s = np.sqrt(bend_m / settings.lateral_acceleration_mps2)
    return max(float(np.sqrt(bend_m / curvature_per_m)), float(speed_mps * time_s))


def shift_past(
    obstacle: Obstacle,
    passage: Passage,
    distance_m: float,
    speed_mps: float,
    cruise_mps: float,
    body: EgoBody,
    settings: DetourSettings,
) -> Shift:
    """The stretch beside the route that leads past an obstacle, from where the ego is on.

    `cruise_mps` is the speed that the ego will have when it comes back; an obstacle that moves on
    is given the way that it makes until it has been passed.
    """
    share = np.linspace(0.0, 1.0, 101)
    enough = float(np.interp(passage.least_m / passage.offset_m, smooth_step(share), share))
    clear_at_m = obstacle.first_m - settings.before_m - body.front_m
    least_m, easy_m = (
        ease_length_m(speed_mps, passage.offset_m, settings, curvature)
        for curvature in (settings.curvature_per_m, settings.easy_curvature_per_m)
    )
    ease_m = min(easy_m, max(least_m, (clear_at_m - distance_m) / max(enough, 0.1)))
    start_m = max(distance_m, clear_at_m - enough * ease_m)
    pace_mps = max(cruise_mps, obstacle.speed_mps + 2.0)
    passing_s = (obstacle.last_m + body.rear_m - distance_m) / (pace_mps - obstacle.speed_mps)
    last_m = obstacle.last_m + obstacle.speed_mps * max(passing_s, 0.0)
    full_m = start_m + ease_m
    back_m = max(last_m + settings.after_m + body.rear_m, full_m + 1.0)
    end_m = back_m + ease_length_m(
        cruise_mps, passage.offset_m, settings, settings.easy_curvature_per_m
    )
    return Shift(start_m, full_m, back_m, end_m, passage.offset_m, passage.oncoming)


def lanes_beside(room: LaneRoom) -> list[float]:
    """Offsets of the next lanes that lead the same way, the right one first."""
    lanes = [
        (room.right_m, room.far_right_m, room.right_oncoming),
        (room.left_m, room.far_left_m, room.left_oncoming),
    ]
    return [
        0.5 * (edge_m + far_m)
        for edge_m, far_m, oncoming in lanes
        if abs(far_m - edge_m) > WHOLE_LANE_M and not oncoming
    ]


def shift_now(
    offset_m: float, distance_m: float, speed_mps: float, stay_m: float, settings: DetourSettings
) -> Shift:
    """A shift from where the ego is on, kept up for `stay_m` once it is beside its lane."""
    ease_m = ease_length_m(speed_mps, offset_m, settings, settings.easy_curvature_per_m)
    full_m = distance_m + ease_m
    return Shift(distance_m, full_m, full_m + stay_m, full_m + stay_m + ease_m, offset_m)


def kept_until(shift: Shift, back_m: float, ease_m: float = 0.0) -> Shift:
    """The shift, kept up to at least `back_m` and left again over at least `ease_m`."""
    back_m, ease_m = max(shift.back_m, back_m), max(shift.end_m - shift.back_m, ease_m)
    return dataclasses.replace(shift, back_m=back_m, end_m=back_m + ease_m)


def extended(shift: Shift, obstacle: Obstacle, body: EgoBody, settings: DetourSettings) -> Shift:
    """The shift, kept up until `obstacle` has been passed as well, and with room beside it."""
    clear_m = body.half_width_m + settings.side_margin_m
    if shift.offset_m < 0.0:
        offset_m = min(shift.offset_m, obstacle.left_m - clear_m)
    else:
        offset_m = max(shift.offset_m, obstacle.right_m + clear_m)
    longer = kept_until(shift, obstacle.last_m + settings.after_m + body.rear_m)
    return dataclasses.replace(longer, offset_m=offset_m)


def accelerated_m(
    distance_m: float, speed_mps: float, top_mps: float, times_s: F64, acceleration_mps2: float
) -> F64:
    """Distances at times (t,) of a car that gathers speed up to `top_mps`."""
    pace = max(speed_mps, 0.0)
    ramp_s = max(top_mps - pace, 0.0) / acceleration_mps2
    early = np.minimum(times_s, ramp_s)
    travelled = pace * early + 0.5 * acceleration_mps2 * early**2
    travelled += np.maximum(times_s - ramp_s, 0.0) * max(top_mps, pace)
    distances: F64 = distance_m + travelled
    return distances


def is_clear(
    occupancy: Occupancy,
    ego_distances_m: F64,
    ego_speed_mps: float,
    speeds_mps: F64,
    from_m: float,
    to_m: float,
    body: EgoBody,
    settings: DetourSettings,
) -> bool:
    """Whether nobody is where the ego is, with room before and behind, from `from_m` to `to_m`.

    `occupancy` is that of n others along the path to be driven; `speeds_mps` (n,) are theirs.
    """
    within = (ego_distances_m + body.front_m > from_m) & (ego_distances_m - body.rear_m < to_m)
    ahead_m = settings.oncoming_m + settings.oncoming_s * ego_speed_mps
    behind_m = (settings.oncoming_m + settings.oncoming_s * speeds_mps)[:, None]
    meets = (
        occupancy.on_path
        & within
        & (occupancy.first_m < ego_distances_m + body.front_m + ahead_m)
        & (occupancy.last_m > ego_distances_m - body.rear_m - behind_m)
    )
    return not bool(meets.any())
