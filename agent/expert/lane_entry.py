"""Entering a lane of the ego's direction: who is there, and whether they leave a gap.

Distances are metres along the route's path, offsets metres to its right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.expert.conflict import EgoBody
from agent.expert.lane_gap import GapSettings, has_gap
from agent.expert.lane_path import LanePath
from agent.expert.obstacle import STANDING_MPS
from agent.expert.road_users import RoadUsers

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

GAIN_SHARE = 0.2
"""Weight of the last tick in the smoothed acceleration of others."""
LARGEST_GAIN_MPS2 = 4.0
SIDE_MARGIN_M = 0.55
"""Who comes nearer than this to the ego's side in the lane counts as in it."""
BEHIND_M = 60.0
"""How far behind the ego others are looked at."""
AHEAD_M = 60.0


class SpeedGains:
    """How fast others gather speed, smoothed over a few ticks; braking counts as none."""

    def __init__(self) -> None:
        self._gain_mps2: dict[int, float] = {}
        self._speed_mps: dict[int, float] = {}
        self._time_s = 0.0

    def note(self, users: RoadUsers, now_s: float) -> None:
        """Take note of a tick."""
        dt_s = max(now_s - self._time_s, 1e-3)
        speeds = {i: float(v) for i, v in zip(users.ids, users.speeds_mps, strict=True)}
        self._gain_mps2 = {
            i: (1.0 - GAIN_SHARE) * self._gain_mps2.get(i, 0.0)
            + GAIN_SHARE * (speed - self._speed_mps.get(i, speed)) / dt_s
            for i, speed in speeds.items()
        }
        self._speed_mps, self._time_s = speeds, now_s

    def of(self, users: RoadUsers) -> F64:
        """Accelerations (n,), 0 or more."""
        gains = [max(self._gain_mps2.get(i, 0.0), 0.0) for i in users.ids]
        return np.minimum(np.array(gains, dtype=np.float64), LARGEST_GAIN_MPS2)


@dataclass(frozen=True)
class Entry:
    """How the ego will enter a lane: where the lane lies beside the path, one offset for all or one
    for each of the others (n,); in how many seconds, where along the path, and how fast."""

    offset_m: float | F64
    wait_s: float
    place_m: float
    speed_mps: float


@dataclass(frozen=True)
class Neighbours:
    """The others along the path (n,): place, offset, and whether they go the ego's way."""

    users: RoadUsers
    along_m: F64
    lateral_m: F64
    same_way: Mask
    moves: Mask
    gains_mps2: F64

    @classmethod
    def of(
        cls, path: LanePath, distance_m: float, to_m: float, users: RoadUsers, gains: SpeedGains
    ) -> Neighbours:
        """Those from behind the ego at `distance_m` to `to_m`; who is beyond lies far aside."""
        along, lateral, yaw = path.frenet(users.centres_world_m, distance_m - BEHIND_M, to_m)
        same_way = np.cos(users.yaws_rad - yaw) > 0.5
        return cls(
            users, along, lateral, same_way, users.speeds_mps > STANDING_MPS, gains.of(users)
        )

    def leave_gap(self, entry: Entry, but_for: Mask, body: EgoBody, gap: GapSettings) -> bool:
        """Whether those who drive in a lane leave the ego a gap; `but_for` (n,) do not count."""
        beside = np.abs(self.lateral_m - entry.offset_m) - self.users.half_extents_m[:, 1]
        counts = self.same_way & self.moves & ~but_for
        counts &= beside < body.half_width_m + SIDE_MARGIN_M
        gains = self.gains_mps2[counts]
        speeds = self.users.speeds_mps[counts] + gains * entry.wait_s
        centres = self.along_m[counts] + (speeds - 0.5 * gains * entry.wait_s) * entry.wait_s
        half_m = self.users.half_extents_m[counts, 0]
        return has_gap(
            centres - half_m,
            centres + half_m,
            speeds,
            entry.place_m - body.rear_m,
            entry.place_m + body.front_m,
            entry.speed_mps,
            gap,
        )
