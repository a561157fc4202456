"""Who stands in a queue that is about to move on, and how it will drive off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.expert.road_users import RoadUsers

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOVES_MPS = 0.5
SLOW_MPS = 2.0
QUEUED_WITHIN_S = 3.0
"""Who last moved longer ago than this is taken to stay: parked, or waiting for the ego."""
FREE_M = 5.0
"""Somebody nearer ahead than this has to drive off first..."""
ASIDE_M = 1.5
"""...whose middle is no farther to the side."""
ANSWER_S = 0.25
ACCELERATION_MPS2 = 3.0
"""Cars of CARLA's traffic manager gather 3.0 to 3.6 m/s2 when their queue moves on (a Lincoln, an
Audi and a Tesla in the demo town)."""
TOP_MPS = 8.0


class QueueStarts:
    """Remembers who moved lately.

    A queue that has halted for a second looks like a gap to a forecast that lets who stands stay
    where it is: an ego that drives into it is in the way when the queue moves on.
    """

    def __init__(self) -> None:
        self._moved_s: dict[int, float] = {}
        self._now_s = 0.0

    def note(self, users: RoadUsers, now_s: float) -> None:
        """Take note of a tick."""
        self._now_s = now_s
        self._moved_s = {
            i: now_s if speed > MOVES_MPS else self._moved_s.get(i, -np.inf)
            for i, speed in zip(users.ids, users.speeds_mps, strict=True)
        }

    def of(self, users: RoadUsers, ego_world_m: F64) -> Mask:
        """Which of the users (n,) are slow vehicles that moved a moment ago and have nobody right
        before them, the ego at `ego_world_m` (2,) included."""
        moved_s = np.array([self._moved_s.get(i, -np.inf) for i in users.ids])
        slow: Mask = np.array([kind == "vehicle" for kind in users.kinds], dtype=np.bool_)
        slow &= (users.speeds_mps < SLOW_MPS) & (self._now_s - moved_s <= QUEUED_WITHIN_S)
        for row in np.flatnonzero(slow):
            slow[row] = not self._has_one_ahead(users, int(row), ego_world_m)
        return slow

    @staticmethod
    def _has_one_ahead(users: RoadUsers, row: int, ego_world_m: F64) -> bool:
        away = np.vstack([users.centres_world_m, ego_world_m]) - users.centres_world_m[row]
        cosine, sine = np.cos(users.yaws_rad[row]), np.sin(users.yaws_rad[row])
        ahead_m = away[:, 0] * cosine + away[:, 1] * sine
        right_m = away[:, 1] * cosine - away[:, 0] * sine
        # Another one's rear is taken to be as far behind its middle as this one's nose before it.
        reach_m = FREE_M + 2.0 * float(users.half_extents_m[row, 0])
        return bool(((ahead_m > 0.5) & (ahead_m < reach_m) & (np.abs(right_m) < ASIDE_M)).any())


def starting_way_m(speed_mps: float, times_s: F64) -> F64:
    """How far who starts from `speed_mps` has come at the times (t,)."""
    pushed_s = np.maximum(times_s - ANSWER_S, 0.0)
    gain_mps = max(TOP_MPS - speed_mps, 0.0)
    gaining_s = np.minimum(pushed_s, gain_mps / ACCELERATION_MPS2)
    way_m: F64 = (
        speed_mps * times_s
        + 0.5 * ACCELERATION_MPS2 * gaining_s**2
        + gain_mps * (pushed_s - gaining_s)
    )
    return way_m
