"""Throttle and brake from the predicted waypoints.

The scheme is that of TransFuser and its successors down to SimLingo: a speed is read off two
waypoints; a PID drives the speed error to zero from below, and the brake takes over when the car is
to stand or is clearly too fast. Two things are different. They read the speed half a second ahead,
where a car that starts from standstill has hardly moved and cannot be told from one that is to
stay; here it is read over the first second of the plan. And they brake fully or not at all; here
the brake grows with the excess of speed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from planner.pid import Pid, PidGains, PidTerms
from planner.records import FloatArray


@dataclass(frozen=True)
class LongitudinalSettings:
    """Gains and thresholds.

    Attributes:
        gains: PID over the speed error in m/s, output in throttle.
        first_waypoint: the desired speed is that between this waypoint ...
        last_waypoint: ... and this one, counted from 0 (SimLingo: 0 and 2).
        standing_mps: desired speeds below this mean "stand".
        brake_ratio: brake when the speed exceeds the desired speed by this factor.
        brake_per_mps: brake for each m/s of excess (infinity: fully, as SimLingo does).
        largest_error_mps: the speed error is clipped to [0, this].
        largest_throttle: the throttle is clipped to [0, this].
    """

    gains: PidGains = field(default_factory=lambda: PidGains(1.75, 1.0, 2.0, 20))
    first_waypoint: int = 0
    last_waypoint: int = 4
    standing_mps: float = 0.4
    brake_ratio: float = 1.1
    brake_per_mps: float = 0.25
    largest_error_mps: float = 1.0
    largest_throttle: float = 1.0


def desired_speed_mps(
    waypoints_ego_m: FloatArray, interval_s: float, first: int = 0, last: int = 4
) -> float:
    """Speed that the waypoints ask for.

    Args:
        waypoints_ego_m: (W, 2), W >= 1, finite; row k is reached (k + 1) intervals from now.
        interval_s: time between two waypoints.
        first: row from which the distance is measured.
        last: row up to which it is measured.

    Returns:
        Distance between the two waypoints over their time; where there are too few, between the
        first and the last one, or between the ego and the only one.
    """
    last = min(last, len(waypoints_ego_m) - 1)
    first = min(first, max(last - 1, 0))
    if last == 0:
        return float(np.linalg.norm(waypoints_ego_m[0])) / interval_s
    way_m = float(np.linalg.norm(waypoints_ego_m[last] - waypoints_ego_m[first]))
    return way_m / ((last - first) * interval_s)


class LongitudinalController:
    """Turns waypoints into throttle or brake, never both."""

    def __init__(self, settings: LongitudinalSettings | None = None) -> None:
        self._settings = settings or LongitudinalSettings()
        self._pid = Pid(self._settings.gains)

    @property
    def terms(self) -> PidTerms | None:
        """Of the last step; the error is that of the speed in m/s, clipped."""
        return self._pid.terms

    def desired_mps(self, waypoints_ego_m: FloatArray, interval_s: float) -> float:
        """`desired_speed_mps` between the settings' waypoints."""
        settings = self._settings
        return desired_speed_mps(
            waypoints_ego_m, interval_s, settings.first_waypoint, settings.last_waypoint
        )

    def step(self, desired_mps: float, speed_mps: float) -> tuple[float, float]:
        """Throttle and brake in [0, 1] for finite speeds."""
        settings = self._settings
        error_mps = min(max(desired_mps - speed_mps, 0.0), settings.largest_error_mps)
        throttle = min(max(self._pid.step(error_mps), 0.0), settings.largest_throttle)
        if desired_mps < settings.standing_mps:
            return 0.0, 1.0
        if speed_mps > settings.brake_ratio * desired_mps:
            return 0.0, min(settings.brake_per_mps * (speed_mps - desired_mps), 1.0)
        return throttle, 0.0
