"""Holds each reading of a tick against range, jump and freshness.

A sensor that fails does not always fall silent: it may say something that cannot be, or the same
for ever. `PlausibleReading` tells the first, `FreezeWatch` the second, `StepClock` both of the time
stamps. None of them drives: they name what is wrong, and the observer decides.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planner.frames import wrap_angle_rad

Values = Sequence[float]

TICK_S = 0.05
LONGEST_STEP_S = 0.5
METRES_PER_DEG = math.radians(6378137.0)
AREA_MARGIN_M = 2000.0
"""How far from its plan a car may plausibly be (chosen; a detour is shorter)."""
MOVING_MPS = 1.0
"""Whoever is faster moves for certain: images and fixes must change then."""
STANDING_MPS = 0.1
COARSE_PX = 8
"""Two images that differ mostly do so in every eighth row and column already."""


@dataclass(frozen=True)
class Limits:
    """What a reading can be.

    Attributes:
        low, high: least and largest value of each number.
        jump: by how much two readings of one moment may differ.
        jump_per_s: how much more for each second between them.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    jump: float
    jump_per_s: float


# Chosen. A fix may be off by three times the 15 m of Bench2Drive-Robust's worst GNSS, and 60 m/s
# are more than CARLA's cars reach. A collision may stop a car or turn it on the spot: what is lost
# then is a few ticks, until the allowance has grown.
GNSS_LIMITS = Limits((-90.0, -180.0), (90.0, 180.0), jump=50.0, jump_per_s=60.0)
COMPASS_LIMITS = Limits((-2.0 * math.pi,), (4.0 * math.pi,), jump=0.5, jump_per_s=6.0)
SPEED_LIMITS = Limits((-30.0,), (100.0,), jump=10.0, jump_per_s=20.0)


def gnss_limits(gps_plan: npt.ArrayLike, latitude_0_deg: float) -> Limits:
    """Limits of the fixes on a route.

    Args:
        gps_plan: (n, 2) latitude and longitude in degrees of its points.
        latitude_0_deg: of the world's origin: a sensor may have north and south exchanged about it
            (see `planner.geodesy`), so the area is symmetric to it.
    """
    gps = np.asarray(gps_plan, dtype=np.float64)
    gps = gps[np.isfinite(gps).all(axis=1)]
    margin_deg = AREA_MARGIN_M / METRES_PER_DEG
    half_deg = float(np.abs(gps[:, 0] - latitude_0_deg).max()) + margin_deg
    wide_deg = margin_deg / max(math.cos(math.radians(latitude_0_deg)), 1e-3)
    west_deg, east_deg = gps[:, 1].min() - wide_deg, gps[:, 1].max() + wide_deg
    return Limits(
        (latitude_0_deg - half_deg, float(west_deg)),
        (latitude_0_deg + half_deg, float(east_deg)),
        GNSS_LIMITS.jump,
        GNSS_LIMITS.jump_per_s,
    )


def gnss_distance_m(one: Values, other: Values) -> float:
    """Distance of two fixes (latitude, longitude) that are near each other."""
    north_deg = one[0] - other[0]
    east_deg = (one[1] - other[1]) * math.cos(math.radians(one[0]))
    return METRES_PER_DEG * math.hypot(north_deg, east_deg)


def turned_rad(one: Values, other: Values) -> float:
    """Angle between two compass readings."""
    return abs(wrap_angle_rad(one[0] - other[0]))


def changed_mps(one: Values, other: Values) -> float:
    """Difference of two speeds."""
    return abs(one[0] - other[0])


class PlausibleReading:
    """Range and jumps of one sensor. What was refused is forgotten: the next reading is compared
    with the last good one, with an allowance that grows, so that a sensor that has really moved is
    believed again after a while."""

    def __init__(self, limits: Limits, difference: Callable[[Values, Values], float]) -> None:
        self._limits = limits
        self._difference = difference
        self._good: tuple[float, ...] | None = None
        self._since_s = 0.0

    def objection(self, values: Values, dt_s: float) -> str:
        """What is wrong with the values of a tick, `dt_s` after the last one; "" if nothing is."""
        self._since_s += dt_s
        if not all(map(math.isfinite, values)):
            return "missing or unusable"
        limits = self._limits
        bounds = zip(limits.low, values, limits.high, strict=True)
        if not all(low <= value <= high for low, value, high in bounds):
            return "out of range"
        allowed = limits.jump + limits.jump_per_s * self._since_s
        if self._good is not None and self._difference(values, self._good) > allowed:
            return "jumped"
        self._good, self._since_s = tuple(values), 0.0
        return ""


class FreezeWatch:
    """Counts ticks in which a sensor repeats itself bit by bit although the car moves.

    A car at rest gives no evidence: the count stays, and only another value ends it.
    """

    def __init__(self) -> None:
        self._last: npt.NDArray[np.generic] | None = None
        self._ticks = 0

    def ticks(self, value: npt.ArrayLike, moving: bool) -> int:
        """For how many ticks the value has been the same while the car moved."""
        now = np.asarray(value)
        if self._last is None or not _equal(now, self._last):
            self._ticks = 0
        elif moving:
            self._ticks += 1
        self._last = now
        return self._ticks


class MotionWitness:
    """Whether the fixes of the last two seconds show motion that a standing speedometer denies."""

    TICKS, MEAN_OF, FAR_M = 40, 5, 3.0
    """Means of five fixes with CARLA's noise of 0.55 m are 0.35 m apart where nothing moves."""

    def __init__(self) -> None:
        self._fixes: deque[Values] = deque(maxlen=self.TICKS)

    def saw_motion(self, fix: Values) -> bool:
        """Take a fix (one that is not finite is left out) and judge."""
        if all(map(math.isfinite, fix)):
            self._fixes.append(fix)
        if len(self._fixes) < self.TICKS:
            return False
        fixes = np.asarray(self._fixes)
        early, late = fixes[: self.MEAN_OF].mean(axis=0), fixes[-self.MEAN_OF :].mean(axis=0)
        return gnss_distance_m(early, late) > self.FAR_M


class StepClock:
    """Time steps out of time stamps that may be missing, frozen, or from another clock."""

    def __init__(self) -> None:
        self._last_s: float | None = None

    def step(self, timestamp_s: float) -> tuple[float, str]:
        """Time since the last tick and what is wrong with the stamp. The time is a tick's where the
        stamp is of no use; a clock that was set anew costs one tick."""
        if not math.isfinite(timestamp_s):
            return TICK_S, "missing or unusable"
        last_s, self._last_s = self._last_s, timestamp_s
        if last_s is None:
            return TICK_S, ""
        dt_s = timestamp_s - last_s
        if dt_s == 0.0:
            return TICK_S, "frozen"
        return (dt_s, "") if 0.0 < dt_s <= LONGEST_STEP_S else (TICK_S, "jumped")


def _equal(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> bool:
    if one.ndim == 3 and one.shape == other.shape:
        coarse = slice(None, None, COARSE_PX)
        if not np.array_equal(one[coarse, coarse], other[coarse, coarse]):
            return False
    return np.array_equal(one, other)
