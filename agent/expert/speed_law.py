"""How fast to drive: comfortable speeds on the path, following, and stopping at a line.

Every law is a pure function from the situation to a speed or an acceleration, so that the tables
in the tests are the specification. The driver takes the smallest acceleration that any law asks
for. Following is the intelligent driver model (Treiber, Hennecke, Helbing, Phys. Rev. E 62, 2000).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class SpeedSettings:
    """Comfort and safety figures of the expert."""

    limit_factor: float = 0.98
    """Share of the posted limit that is driven; the leaderboard asks for the traffic's speed."""
    max_speed_mps: float = 20.0
    max_acceleration_mps2: float = 3.0
    comfort_deceleration_mps2: float = 2.2
    """What following and slowing down for curves plan with."""
    stop_deceleration_mps2: float = 1.8
    """Constant deceleration of a planned stop."""
    max_deceleration_mps2: float = 7.0
    lateral_acceleration_mps2: float = 2.2
    min_curve_speed_mps: float = 2.5
    headway_s: float = 1.0
    standstill_gap_m: float = 4.0
    following_exponent: float = 4.0
    yellow_deceleration_mps2: float = 3.5
    """A yellow light that would need more than this is driven through."""
    max_jerk_mps3: float = 8.0
    """How fast the acceleration may rise; braking may begin at once."""
    reaction_s: float = 0.35
    """Time constant with which a speed error turns into an acceleration."""


def brisk(settings: SpeedSettings) -> SpeedSettings:
    """The same with more acceleration, for where a car is in the way as long as it lingers."""
    return dataclasses.replace(
        settings,
        max_acceleration_mps2=4.0,
        max_jerk_mps3=12.0,
        lateral_acceleration_mps2=3.2,
    )


def curve_speed_mps(curvature_per_m: F64, settings: SpeedSettings) -> F64:
    """Speed at which the lateral acceleration reaches the settings' limit, for each point."""
    bend = np.maximum(np.abs(curvature_per_m), 1e-6)
    speed = np.sqrt(settings.lateral_acceleration_mps2 / bend)
    limited: F64 = np.clip(speed, settings.min_curve_speed_mps, settings.max_speed_mps)
    return limited


def brake_in_time_mps(speed_mps: F64, spacing_m: float, deceleration_mps2: float) -> F64:
    """Lower a speed profile so that no point needs more than `deceleration_mps2` before it."""
    profile = speed_mps.copy()
    for index in range(len(profile) - 2, -1, -1):
        reachable = math.sqrt(profile[index + 1] ** 2 + 2.0 * deceleration_mps2 * spacing_m)
        profile[index] = min(profile[index], reachable)
    return profile


def cruise_acceleration_mps2(
    speed_mps: float, desired_mps: float, settings: SpeedSettings, trend_mps2: float = 0.0
) -> float:
    """Approach a desired speed: full acceleration far below it, easing off near it.

    `trend_mps2` is the acceleration with which the desired speed itself changes along the path;
    a falling one is followed without lag, a rising one left to the difference of the speeds.
    """
    error_mps = desired_mps - speed_mps
    following = min(trend_mps2, 0.0) if error_mps < 0.5 else 0.0
    return float(
        np.clip(
            error_mps / settings.reaction_s / 2.0 + following,
            -settings.comfort_deceleration_mps2 * 1.6,
            settings.max_acceleration_mps2,
        )
    )


def follow_acceleration_mps2(
    speed_mps: float, gap_m: float, lead_speed_mps: float, settings: SpeedSettings
) -> float:
    """Keep the headway to something ahead that moves along the path at `lead_speed_mps`.

    `gap_m` is the free room between the front bumper and it. From something faster, the gap counts
    that there will be in a second.
    """
    gap_m += max(lead_speed_mps - speed_mps, 0.0)
    closing_mps = speed_mps - max(lead_speed_mps, 0.0)
    brake = math.sqrt(settings.max_acceleration_mps2 * settings.comfort_deceleration_mps2)
    wanted_m = settings.standstill_gap_m + max(
        0.0, speed_mps * settings.headway_s + speed_mps * closing_mps / (2.0 * brake)
    )
    ratio = wanted_m / max(gap_m, 0.1)
    law = settings.max_acceleration_mps2 * (1.0 - ratio**2)
    return float(np.clip(law, -settings.max_deceleration_mps2, settings.max_acceleration_mps2))


def stop_acceleration_mps2(speed_mps: float, distance_m: float, settings: SpeedSettings) -> float:
    """Come to rest `distance_m` ahead with a constant deceleration, and stay there.

    Far away the law asks for nothing (returns the maximum acceleration).
    """
    if distance_m <= 0.3:
        return -settings.stop_deceleration_mps2 - min(4.0, max(0.0, -distance_m))
    needed = speed_mps**2 / (2.0 * distance_m)
    allowed_mps = math.sqrt(2.0 * settings.stop_deceleration_mps2 * distance_m)
    if needed < 0.85 * settings.stop_deceleration_mps2:
        room = (allowed_mps - speed_mps) / settings.reaction_s / 2.0
        return min(room, settings.max_acceleration_mps2)
    return -min(needed, settings.max_deceleration_mps2)


def braking_way_m(speed_mps: float, times_s: F64, deceleration_mps2: float) -> F64:
    """Way (t,) that a car has made at times (t,) from now on if it brakes."""
    braked_s = np.minimum(times_s, max(speed_mps, 0.0) / deceleration_mps2)
    way: F64 = speed_mps * braked_s - 0.5 * deceleration_mps2 * braked_s**2
    return way


def limit_rise(
    wanted_mps2: float, last_mps2: float, speed_mps: float, dt_s: float, settings: SpeedSettings
) -> float:
    """The wanted acceleration, risen from the last one no faster than comfort allows.

    A car at rest starts from zero: releasing the brake is not felt.
    """
    start_mps2 = max(last_mps2, 0.0) if speed_mps < 0.3 else last_mps2
    return min(wanted_mps2, start_mps2 + settings.max_jerk_mps3 * dt_s)


def stops_for_yellow(speed_mps: float, distance_m: float, settings: SpeedSettings) -> bool:
    """Whether a light that has just left green can still be stopped at without a jerk."""
    if distance_m <= 0.0:
        return False
    return speed_mps**2 / (2.0 * distance_m) <= settings.yellow_deceleration_mps2
