"""GNSS fixes to world metres, although the simulator keeps its geographic reference to itself.

The leaderboard gives its route twice, in degrees and in metres, and so gives away the reference
that ties both together (`GeoReference.solve`). Three projections are known to be in use:

* the leaderboard's plan and CARLA up to 0.9.15: a Mercator projection of the sphere, scaled by the
  cosine of the reference latitude (formula: `_location_to_gps` in carla-simulator/leaderboard);
* the same with north and south exchanged (latitude rises with world y);
* CARLA 0.9.16: a spherical transverse Mercator projection with the scale 0.9996, also with latitude
  rising with world y (measured with `carla.Map.transform_to_geolocation` of the 0.9.16 wheel;
  formula: J. P. Snyder, Map Projections - A Working Manual, USGS 1987, eq. 8-1 to 8-8). Five
  kilometres from the origin it is off the first by two metres and more.

The sensor may therefore speak another dialect than the plan. `GnssLocator` follows all of them,
compares each with where the plan starts and how the car has moved since, and keeps the best.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from planner.records import FloatArray

EARTH_RADIUS_M = 6378137.0
TRANSVERSE_SCALE = 0.9996


class Projection(Enum):
    """How degrees relate to world metres; see the module's docstring."""

    MERCATOR = "mercator"
    MERCATOR_MIRRORED = "mercator, latitude rising with y"
    TRANSVERSE_MERCATOR = "transverse mercator, latitude rising with y"

    @property
    def mirrored(self) -> bool:
        """Whether latitude rises with world y."""
        return self is not Projection.MERCATOR


@dataclass(frozen=True)
class GeoReference:
    """Degrees at the world's origin.

    Attributes:
        latitude_deg: latitude of world (0, 0).
        longitude_deg: longitude of world (0, 0).
        residual_m: largest distance between a plan point and its converted GPS twin; above a metre
            the plan does not follow the leaderboard's projection.
    """

    latitude_deg: float
    longitude_deg: float
    residual_m: float = 0.0

    @classmethod
    def solve(cls, gps_plan: npt.ArrayLike, world_plan_m: npt.ArrayLike) -> GeoReference:
        """Find the reference from points known in both systems.

        Args:
            gps_plan: (n, 2) latitude and longitude in degrees, n >= 1.
            world_plan_m: (n, 2) the same points in world metres.

        Raises:
            ValueError: the shapes differ, or no pair of points is finite.
        """
        gps = np.atleast_2d(np.asarray(gps_plan, dtype=np.float64))
        world = np.atleast_2d(np.asarray(world_plan_m, dtype=np.float64))
        if gps.ndim != 2 or gps.shape[1] != 2 or gps.shape != world.shape:
            raise ValueError(
                "gps_plan and world_plan_m must both have the shape (n, 2), "
                f"got {np.shape(gps_plan)} and {np.shape(world_plan_m)}"
            )
        finite = np.isfinite(gps).all(axis=1) & np.isfinite(world).all(axis=1)
        if not finite.any():
            raise ValueError("the plan has no point that is finite in GPS and in world metres")
        gps, world = gps[finite], world[finite]
        latitude = float(np.degrees(np.mean(_solve_latitude(np.radians(gps[:, 0]), world[:, 1]))))
        metres_per_deg = math.radians(1.0) * EARTH_RADIUS_M * math.cos(math.radians(latitude))
        longitude = float(np.mean(gps[:, 1] - world[:, 0] / metres_per_deg))
        exact = cls(latitude, longitude)
        converted = np.array([exact.world_from_gps(*point) for point in gps])
        residual = float(np.max(np.linalg.norm(converted - world, axis=1)))
        return cls(latitude, longitude, residual)

    def world_from_gps(
        self,
        latitude_deg: float,
        longitude_deg: float,
        projection: Projection = Projection.MERCATOR,
    ) -> FloatArray:
        """World position in metres, (2,), of a fix; NaN where the fix is not finite."""
        if not (math.isfinite(latitude_deg) and math.isfinite(longitude_deg)):
            return np.full(2, np.nan)
        latitude, latitude_0 = math.radians(latitude_deg), math.radians(self.latitude_deg)
        longitude = math.radians(longitude_deg - self.longitude_deg)
        if projection is Projection.TRANSVERSE_MERCATOR:
            scale = TRANSVERSE_SCALE * EARTH_RADIUS_M
            east = scale * math.atanh(math.cos(latitude) * math.sin(longitude))
            north = scale * (math.atan2(math.tan(latitude), math.cos(longitude)) - latitude_0)
        else:
            scale = EARTH_RADIUS_M * math.cos(latitude_0)
            east = scale * longitude
            north = scale * float(_mercator_northing(latitude) - _mercator_northing(latitude_0))
        return np.array([east, north if projection.mirrored else -north])

    def gps_from_world(
        self, position_world_m: npt.ArrayLike, projection: Projection = Projection.MERCATOR
    ) -> tuple[float, float]:
        """Latitude and longitude in degrees of a world position (2,) in metres."""
        x_m, y_m = (float(value) for value in np.asarray(position_world_m, dtype=np.float64))
        north_m = y_m if projection.mirrored else -y_m
        latitude_0 = math.radians(self.latitude_deg)
        if projection is Projection.TRANSVERSE_MERCATOR:
            scale = TRANSVERSE_SCALE * EARTH_RADIUS_M
            arc = north_m / scale + latitude_0
            latitude = math.asin(math.sin(arc) / math.cosh(x_m / scale))
            longitude = math.atan2(math.sinh(x_m / scale), math.cos(arc))
        else:
            scale = EARTH_RADIUS_M * math.cos(latitude_0)
            northing = float(_mercator_northing(latitude_0)) + north_m / scale
            latitude = math.atan(math.sinh(northing))
            longitude = x_m / scale
        return math.degrees(latitude), self.longitude_deg + math.degrees(longitude)


@dataclass(frozen=True)
class GnssLocatorSettings:
    """How sure the locator must be before it commits itself to one projection.

    Attributes:
        start_deviation_m: how far the car may plausibly start from the first plan point (1 sigma).
        fix_deviation_m: noise of a fix plus the drift of dead reckoning (1 sigma).
        minimum_fixes: number of fixes before a final decision.
        decision_gap: squared sigmas by which one latitude sign must beat the other.
        plausible_cost: squared sigmas above which the winner's start offset is itself implausible.
    """

    start_deviation_m: float = 3.0
    fix_deviation_m: float = 1.0
    minimum_fixes: int = 20
    decision_gap: float = 40.0
    plausible_cost: float = 10.0


class GnssLocator:
    """World positions from GNSS fixes of a sensor whose projection has to be found out.

    Each projection's residual against dead reckoning from the plan's start is modelled as a
    constant start offset plus white noise. The projection under which the data are likeliest is
    used from the first fix on; it is final once the opposite latitude sign is out of the question.
    A start at world y = 0, where both signs agree, stays open until the car has moved north or
    south.

    Attributes:
        projection: the projection in use.
        decided: whether the choice is final.
        warnings: number of fixes that were missing or not finite.
    """

    def __init__(
        self,
        reference: GeoReference,
        start_world_m: npt.ArrayLike,
        settings: GnssLocatorSettings | None = None,
    ) -> None:
        self.projection = Projection.MERCATOR
        self.decided = False
        self.warnings: Counter[str] = Counter()
        self._reference = reference
        self._settings = settings or GnssLocatorSettings()
        self._reckoned_world_m = np.array(start_world_m, dtype=np.float64)
        self._velocity_world_mps = np.zeros(2)
        self._count = 0
        self._residual_sum_m = np.zeros((len(Projection), 2))
        self._square_sum_m2 = np.zeros(len(Projection))

    def step(
        self,
        latitude_deg: float,
        longitude_deg: float,
        yaw_rad: float,
        speed_mps: float,
        dt_s: float,
    ) -> FloatArray:
        """Convert one fix.

        Args:
            latitude_deg: of the fix; not finite means no fix.
            longitude_deg: of the fix.
            yaw_rad: compass heading in the world; not finite repeats the last velocity.
            speed_mps: forward speed; not finite repeats the last velocity.
            dt_s: time since the last step.

        Returns:
            (2,) world metres, NaN if there is no fix.
        """
        if self.decided:
            return self._position(latitude_deg, longitude_deg)
        if math.isfinite(yaw_rad) and math.isfinite(speed_mps):
            direction = np.array([math.cos(yaw_rad), math.sin(yaw_rad)])
            self._velocity_world_mps = speed_mps * direction
        self._reckoned_world_m = self._reckoned_world_m + self._velocity_world_mps * dt_s
        if math.isfinite(latitude_deg) and math.isfinite(longitude_deg):
            self._weigh(latitude_deg, longitude_deg)
        return self._position(latitude_deg, longitude_deg)

    def _position(self, latitude_deg: float, longitude_deg: float) -> FloatArray:
        position = self._reference.world_from_gps(latitude_deg, longitude_deg, self.projection)
        if not np.isfinite(position).all():
            self.warnings["GNSS fix missing or not finite"] += 1
        return position

    def _weigh(self, latitude_deg: float, longitude_deg: float) -> None:
        candidates = np.array(
            [self._reference.world_from_gps(latitude_deg, longitude_deg, p) for p in Projection]
        )
        residual_m = candidates - self._reckoned_world_m
        self._count += 1
        self._residual_sum_m += residual_m
        self._square_sum_m2 += np.sum(residual_m**2, axis=1)
        cost = self._cost()
        projections = list(Projection)
        best = int(np.argmin(cost))
        self.projection = projections[best]
        rival = min(
            value
            for value, projection in zip(cost, projections, strict=True)
            if projection.mirrored != self.projection.mirrored
        )
        settings = self._settings
        self.decided = bool(
            self._count >= settings.minimum_fixes
            and rival - cost[best] > settings.decision_gap
            and self._offset_cost()[best] < settings.plausible_cost
        )

    def _cost(self) -> FloatArray:
        mean_m = self._residual_sum_m / self._count
        scatter_m2 = self._square_sum_m2 - self._count * np.sum(mean_m**2, axis=1)
        cost: FloatArray = scatter_m2 / self._settings.fix_deviation_m**2 + self._offset_cost()
        return cost

    def _offset_cost(self) -> FloatArray:
        settings = self._settings
        mean_m = self._residual_sum_m / self._count
        variance_m2 = settings.start_deviation_m**2 + settings.fix_deviation_m**2 / self._count
        cost: FloatArray = np.sum(mean_m**2, axis=1) / variance_m2
        return cost


def _mercator_northing(latitude_rad: npt.ArrayLike) -> FloatArray:
    """Northing on the unit sphere (the inverse Gudermannian function)."""
    return np.arcsinh(np.tan(np.asarray(latitude_rad, dtype=np.float64)))


def _solve_latitude(latitude_rad: FloatArray, y_m: FloatArray) -> FloatArray:
    """Reference latitudes that put points of these latitudes at these world y (Newton's method)."""
    reference = latitude_rad.copy()
    for _ in range(20):
        difference = _mercator_northing(latitude_rad) - _mercator_northing(reference)
        error = np.cos(reference) * difference + y_m / EARTH_RADIUS_M
        step = error / (np.sin(reference) * difference + 1.0)
        reference = reference + step
        if np.max(np.abs(step)) < 1e-15:
            break
    return reference
