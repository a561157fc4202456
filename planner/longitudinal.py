"""Throttle and brake from the predicted waypoints.

Rules and gains are those that TransFuser and its successors down to SimLingo share: the speed is
read off two waypoints half a second apart; a PID drives the speed error to zero from below, and the
brake takes over when the car is to stand or is clearly too fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from planner.pid import Pid, PidGains
from planner.records import FloatArray


@dataclass(frozen=True)
class LongitudinalSettings:
    """Gains and thresholds.

    Attributes:
        gains: PID over the speed error in m/s, output in throttle.
        standing_mps: desired speeds below this mean "stand".
        brake_ratio: brake when the speed exceeds the desired speed by this factor.
        largest_error_mps: the speed error is clipped to [0, this].
        largest_throttle: the throttle is clipped to [0, this].
    """

    gains: PidGains = field(default_factory=lambda: PidGains(1.75, 1.0, 2.0, 20))
    standing_mps: float = 0.4
    brake_ratio: float = 1.1
    largest_error_mps: float = 1.0
    largest_throttle: float = 1.0


def desired_speed_mps(waypoints_ego_m: FloatArray, interval_s: float) -> float:
    """Speed that the waypoints ask for.

    Args:
        waypoints_ego_m: (W, 2), W >= 1, finite; row k is reached (k + 1) intervals from now.
        interval_s: time between two waypoints.

    Returns:
        Distance between the first and the third waypoint over their time; with fewer waypoints,
        between the first and the second, or between the ego and the only one.
    """
    last = min(2, len(waypoints_ego_m) - 1)
    if last == 0:
        return float(np.linalg.norm(waypoints_ego_m[0])) / interval_s
    return float(np.linalg.norm(waypoints_ego_m[last] - waypoints_ego_m[0])) / (last * interval_s)


class LongitudinalController:
    """Turns a desired speed into throttle or brake, never both."""

    def __init__(self, settings: LongitudinalSettings | None = None) -> None:
        self._settings = settings or LongitudinalSettings()
        self._pid = Pid(self._settings.gains)

    def step(self, desired_mps: float, speed_mps: float) -> tuple[float, float]:
        """Throttle and brake in [0, 1] for finite speeds."""
        settings = self._settings
        error_mps = min(max(desired_mps - speed_mps, 0.0), settings.largest_error_mps)
        throttle = min(max(self._pid.step(error_mps), 0.0), settings.largest_throttle)
        must_stand = desired_mps < settings.standing_mps
        if must_stand or speed_mps > settings.brake_ratio * desired_mps:
            return 0.0, 1.0
        return throttle, 0.0
