"""From weather to light: the numbers that every shader reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.render.frame import WeatherLike
from evaluation.simulator.render.projection import FAR_M, Viewpoint

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SUN_STRENGTH = 1.45
"""Brightness of the clear high sun; a white surface under the whole sky is about 0.6."""
UNIFORM_FLOATS = 64
"""Floats of one camera's uniform block; 256 bytes, the largest alignment that drivers ask for."""

_DAY_SKY = np.array([0.16, 0.33, 0.72])
_DAY_HORIZON = np.array([0.58, 0.70, 0.84])
_DUSK_SKY = np.array([0.10, 0.12, 0.28])
_DUSK_HORIZON = np.array([0.72, 0.45, 0.32])
_NIGHT_SKY = np.array([0.002, 0.003, 0.009])
_NIGHT_HORIZON = np.array([0.012, 0.014, 0.024])
_OVERCAST_SKY = np.array([0.42, 0.45, 0.50])
_OVERCAST_HORIZON = np.array([0.58, 0.60, 0.63])


def _ramp(value: float, low: float, high: float) -> float:
    """Smooth step from 0 at `low` to 1 at `high`."""
    share = float(np.clip((value - low) / (high - low), 0.0, 1.0))
    return share * share * (3.0 - 2.0 * share)


def _mix(first: F64, second: F64, share: float) -> F64:
    return first + (second - first) * share


@dataclass(frozen=True)
class Atmosphere:
    """Light of one moment; colours are linear RGB (3,), directions unit vectors in world axes.

    `darkness` is 0 by day and 1 at night, `wetness`, `puddles` and `cloudiness` 0 to 1,
    `fog_per_m` the extinction beyond `fog_start_m`.
    """

    sun_direction: F64
    sun_colour: F64
    sky_light: F64
    ground_light: F64
    horizon: F64
    zenith: F64
    darkness: float
    wetness: float
    puddles: float
    cloudiness: float
    rain: float
    fog_per_m: float
    fog_start_m: float

    @classmethod
    def of(cls, weather: WeatherLike) -> Atmosphere:
        """Derive the light from CARLA's weather; percentages outside 0 to 100 are clipped."""
        altitude, azimuth = (
            np.radians(weather.sun_altitude_angle),
            np.radians(weather.sun_azimuth_angle),
        )
        level = np.cos(altitude)
        direction = np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(altitude)])
        clouds = _percent(weather.cloudiness)
        overcast = _ramp(clouds, 0.25, 0.95)
        day = _ramp(weather.sun_altitude_angle, -8.0, 8.0)
        high_sun = _ramp(weather.sun_altitude_angle, 0.0, 28.0)
        zenith = _mix(_mix(_DUSK_SKY, _DAY_SKY, high_sun), _OVERCAST_SKY, 0.85 * overcast)
        horizon = _mix(
            _mix(_DUSK_HORIZON, _DAY_HORIZON, high_sun), _OVERCAST_HORIZON, 0.85 * overcast
        )
        brightness = 0.55 + 0.45 * high_sun
        night = 1.0 - day
        zenith = _mix(_NIGHT_SKY, zenith * brightness, day)
        horizon = _mix(_NIGHT_HORIZON, horizon * brightness, day)
        warmth = _mix(np.array([1.0, 0.62, 0.38]), np.array([1.0, 0.94, 0.82]), high_sun)
        direct = _ramp(weather.sun_altitude_angle, -1.0, 10.0) * (1.0 - 0.88 * overcast)
        fog = _percent(weather.fog_density)
        rain = _percent(weather.precipitation)
        return cls(
            sun_direction=direction,
            sun_colour=SUN_STRENGTH * direct * warmth,
            sky_light=0.30 * zenith + 0.52 * horizon + night * np.array([0.030, 0.032, 0.042]),
            ground_light=0.26 * horizon + 0.10 * direct * warmth + 0.014 * night,
            horizon=horizon,
            zenith=zenith,
            darkness=night,
            wetness=max(_percent(weather.wetness), 0.6 * rain),
            puddles=_percent(weather.precipitation_deposits),
            cloudiness=clouds,
            rain=rain,
            fog_per_m=0.055 * fog**1.5 + 0.004 * rain**2,
            fog_start_m=float(max(weather.fog_distance, 0.0)),
        )

    def uniforms(self, view: Viewpoint, time_s: float) -> F32:
        """The uniform block `Moment` of one camera as (UNIFORM_FLOATS,) floats, std140."""
        block = np.zeros((UNIFORM_FLOATS // 4, 4), np.float32)
        block[0:4] = view.clip_from_relative().T
        block[4] = (*view.position_world_m, time_s % 1000.0)
        block[5] = (*self.sun_direction, self.darkness)
        block[6] = (*self.sun_colour, self.wetness)
        block[7] = (*self.sky_light, self.puddles)
        block[8] = (*self.ground_light, self.cloudiness)
        block[9] = (*self.horizon, self.fog_per_m)
        block[10] = (*self.zenith, self.fog_start_m)
        block[11] = (*view.axes[0], FAR_M)
        block[12] = (*view.axes[1], view.tan_half[0])
        block[13] = (*view.axes[2], view.tan_half[1])
        block[14, :2] = self.rain, view.focal_px
        return block.ravel()


def _percent(value: float) -> float:
    return float(np.clip(value / 100.0, 0.0, 1.0))
