"""Whether a lane of the ego's direction has a gap: the rule for every change of lanes.

Who comes from behind has to be able to brake behind the ego, and the ego behind who leads; both
comfortably, seen from the moment at which the ego enters the lane.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


PATIENT_S, FORCES_S = 8.0, 30.0
"""What is asked of a gap shrinks between these times of waiting."""
LEAST_UNDER_WAY_M = 0.5
"""Room before and behind the ego with which it goes on to enter a gap."""
FORCED_MPS2 = 8.0
"""Braking that who follows is asked for in the end: near what its tyres give."""


@dataclass(frozen=True)
class GapSettings:
    """What a gap has to offer."""

    least_m: float = 2.0
    behind_s: float = 0.8
    """Time that who follows needs to see what happens."""
    behind_mps2: float = 3.0
    """Braking that who follows is asked for; the traffic manager's cars brake harder."""
    ahead_mps2: float = 3.0
    ahead_s: float = 0.4
    """From who is faster than the ego and passes just before, the ego keeps the way that the one
    gains in this time: who passes may slow down meanwhile, and the ego starts sooner than meant."""


def under_way(settings: GapSettings) -> GapSettings:
    """What a gap has to offer an ego that has begun to enter it: braking again and again, it would
    creep up to what it means to pass until there is no room left to steer out."""
    return dataclasses.replace(settings, least_m=LEAST_UNDER_WAY_M, ahead_s=0.0)


def shrunk(settings: GapSettings, waited_s: float) -> GapSettings:
    """What is asked of a gap after a wait: a dense column offers no more than hard braking."""
    share = min(max((waited_s - PATIENT_S) / (FORCES_S - PATIENT_S), 0.0), 1.0)
    return dataclasses.replace(
        settings,
        behind_s=settings.behind_s * (1.0 - share),
        behind_mps2=settings.behind_mps2 + share * (FORCED_MPS2 - settings.behind_mps2),
    )


def room_behind_m(speed_mps: F64, ego_mps: float, settings: GapSettings) -> F64:
    """Free room that cars at `speed_mps` (n,) need to stay behind an ego that enters ahead."""
    closing = np.maximum(speed_mps - ego_mps, 0.0)
    room: F64 = (
        settings.least_m + settings.behind_s * speed_mps + closing**2 / (2.0 * settings.behind_mps2)
    )
    return room


def room_ahead_m(speed_mps: F64, ego_mps: float, settings: GapSettings) -> F64:
    """Free room that the ego needs to stay behind cars at `speed_mps` (n,)."""
    closing = np.maximum(ego_mps - speed_mps, 0.0)
    opening = np.maximum(speed_mps - ego_mps, 0.0)
    room: F64 = (
        settings.least_m + settings.ahead_s * opening + closing**2 / (2.0 * settings.ahead_mps2)
    )
    return room


def has_gap(
    first_m: F64,
    last_m: F64,
    speeds_mps: F64,
    ego_rear_m: float,
    ego_front_m: float,
    ego_mps: float,
    settings: GapSettings,
) -> bool:
    """Whether an ego between `ego_rear_m` and `ego_front_m` fits between the cars of a lane.

    All are places along the lane at the moment of entering it: those of the cars (n,) from
    `first_m` to `last_m`, and their speeds (n,) along it.
    """
    is_behind = 0.5 * (first_m + last_m) < 0.5 * (ego_rear_m + ego_front_m)
    behind_m = ego_rear_m - last_m - room_behind_m(speeds_mps, ego_mps, settings)
    ahead_m = first_m - ego_front_m - room_ahead_m(speeds_mps, ego_mps, settings)
    return bool(np.all(np.where(is_behind, behind_m, ahead_m) >= 0.0))
