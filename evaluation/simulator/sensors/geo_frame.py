"""Latitude and longitude of world positions, as the client's own map gives them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

EARTH_RADIUS_M = 6378137.0
TRANSVERSE_SCALE = 0.9996
"""Scale that the 0.9.16 wheel applies whatever +k says (measured on the wheel)."""

_DEFAULT_LATITUDE_DEG = 42.0
_DEFAULT_LONGITUDE_DEG = 2.0


@dataclass(frozen=True)
class GeoFrame:
    """Where the world's origin lies and how the plane is laid on the sphere.

    Attributes:
        latitude_deg, longitude_deg: of the world's origin.
        transverse: spherical transverse Mercator of the 0.9.16 wheel; else the spherical Mercator
            of 0.9.15 and of the leaderboard's GPS plan.
        latitude_grows_along_y: whether latitude grows along +y (south on CARLA's maps).
    """

    latitude_deg: float
    longitude_deg: float
    transverse: bool
    latitude_grows_along_y: bool

    @classmethod
    def of_opendrive(cls, opendrive: str, transverse: bool, grows_along_y: bool) -> GeoFrame:
        """Read +lat_0 and +lon_0 of the geoReference; CARLA's defaults where one is missing."""
        found = re.search(r"<geoReference>(.*?)</geoReference>", opendrive, re.DOTALL)
        reference = found.group(1) if found else ""
        latitude = _parameter(reference, "lat_0")
        longitude = _parameter(reference, "lon_0")
        if latitude is None or longitude is None:
            latitude, longitude = _DEFAULT_LATITUDE_DEG, _DEFAULT_LONGITUDE_DEG
        return cls(latitude, longitude, transverse, grows_along_y)

    def locate(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Return latitude and longitude in degrees of a point of the world."""
        north_m = y_m if self.latitude_grows_along_y else -y_m
        if self.transverse:
            return self._transverse_mercator(x_m, north_m)
        return self._mercator(x_m, north_m)

    def _mercator(self, east_m: float, north_m: float) -> tuple[float, float]:
        radius_m = EARTH_RADIUS_M * math.cos(math.radians(self.latitude_deg))
        origin = math.log(math.tan(math.radians(90.0 + self.latitude_deg) / 2.0))
        latitude = 2.0 * math.atan(math.exp(origin + north_m / radius_m)) - math.pi / 2.0
        return math.degrees(latitude), self.longitude_deg + math.degrees(east_m / radius_m)

    def _transverse_mercator(self, east_m: float, north_m: float) -> tuple[float, float]:
        radius_m = EARTH_RADIUS_M * TRANSVERSE_SCALE
        turned = math.radians(self.latitude_deg) + north_m / radius_m
        latitude = math.asin(math.sin(turned) / math.cosh(east_m / radius_m))
        longitude = math.atan2(math.sinh(east_m / radius_m), math.cos(turned))
        return math.degrees(latitude), self.longitude_deg + math.degrees(longitude)


def _parameter(reference: str, name: str) -> float | None:
    found = re.search(rf"\+{name}=([-+0-9.eE]+)", reference)
    return float(found.group(1)) if found else None
