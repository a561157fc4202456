"""Steering along the predicted route.

A PID over the heading error towards a point of the route that lies further ahead the faster the
car is. The look-ahead is that of PDM-Lite's lateral controller (J. Beisswenger, 2024), which counts
in route points 0.1 m apart and in km/h; here these are metres and m/s. Its gains (3.12, 0.64, 1.38)
suit a route that is known. A predicted one begins at the car, wherever in the lane that is, and
turns to the lane's centre at once; with them the car cut tight turns by more than a metre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import PchipInterpolator

from planner.pid import Pid, PidGains, PidTerms
from planner.records import FloatArray
from planner.route import Polyline


@dataclass(frozen=True)
class LateralSettings:
    """Gains and look-ahead.

    Attributes:
        gains: PID over the heading error in units of 90 degrees, output in steer.
        lookahead_per_mps: growth of the look-ahead in metres per m/s (seconds).
        lookahead_offset_m: look-ahead at standstill before clipping.
        lookahead_min_m: shortest look-ahead.
        lookahead_max_m: longest look-ahead.
    """

    gains: PidGains = field(default_factory=lambda: PidGains(1.4, 0.3, 1.4, 6))
    lookahead_per_mps: float = 0.9755321901954155 * 3.6 * 0.1
    lookahead_offset_m: float = 1.9152884533402488 * 0.1
    lookahead_min_m: float = 2.4
    lookahead_max_m: float = 10.5


def lookahead_m(speed_mps: float, settings: LateralSettings) -> float:
    """Distance along the route of the point to steer at."""
    wanted_m = settings.lookahead_per_mps * speed_mps + settings.lookahead_offset_m
    return min(max(wanted_m, settings.lookahead_min_m), settings.lookahead_max_m)


def point_along_route(route_ego_m: FloatArray, distance_m: float) -> FloatArray:
    """Point of the route at a distance along it, by monotone cubic interpolation.

    Args:
        route_ego_m: (R, 2) finite points; the way begins at the ego, whether or not the first point
            lies there.
        distance_m: from the ego along the route; beyond its end the last point is returned.

    Returns:
        (2,) ego metres.
    """
    line = Polyline(np.vstack([np.zeros(2), route_ego_m]))
    if distance_m >= line.length_m:
        return line.point_at(distance_m)
    # Next to a vanishing slope the harmonic mean of slopes overflows to infinity; its reciprocal,
    # which is what is used, is then rightly zero.
    with np.errstate(over="ignore"):
        curve = PchipInterpolator(line.s_m, line.points_m, axis=0)
    return np.asarray(curve(distance_m), dtype=np.float64)


class LateralController:
    """Turns the predicted route into steer.

    Attributes:
        aim_ego_m: (2,) the point that was steered at last; NaN before the first step.
    """

    def __init__(self, settings: LateralSettings | None = None) -> None:
        self._settings = settings or LateralSettings()
        self._pid = Pid(self._settings.gains)
        self.aim_ego_m: FloatArray = np.full(2, math.nan)

    @property
    def terms(self) -> PidTerms | None:
        """Of the last step; the error is that of the heading in units of 90 degrees."""
        return self._pid.terms

    def step(self, route_ego_m: FloatArray, speed_mps: float) -> float:
        """Steer in [-1, 1], right positive, for a finite route of at least one point."""
        aim = point_along_route(route_ego_m, lookahead_m(abs(speed_mps), self._settings))
        self.aim_ego_m = aim
        heading_error_rad = math.atan2(aim[1], aim[0]) if np.any(aim) else 0.0
        steer = self._pid.step(heading_error_rad / (math.pi / 2.0))
        return min(max(steer, -1.0), 1.0)
