"""Weather that changes along a route."""

from __future__ import annotations

from collections.abc import Sequence

import carla
import numpy as np

from evaluation.routes.route import RouteFileError, WeatherPoint

DEFAULT = {"sun_altitude_angle": 70.0, "cloudiness": 50.0}
"""What the leaderboard starts from for parameters that a route does not set."""


class WeatherSchedule:
    """Interpolates between the weathers of a route by the share of it that was driven."""

    def __init__(self, points: Sequence[WeatherPoint]) -> None:
        self._percents = [point.route_percent for point in points]
        self._parameters = [{**DEFAULT, **dict(point.parameters)} for point in points]
        known = carla.WeatherParameters()
        for parameters in self._parameters:
            unknown = sorted(name for name in parameters if not hasattr(known, name))
            if unknown:
                raise RouteFileError(f"weather parameter {unknown[0]!r} is not one of CARLA's")

    @property
    def changes(self) -> bool:
        return len(self._percents) > 1

    def at(self, route_percent: float) -> carla.WeatherParameters:
        """Weather at a point of the route; before the first and after the last it stays."""
        if not self._parameters:
            return carla.WeatherParameters(**DEFAULT)
        names = sorted({name for parameters in self._parameters for name in parameters})
        neutral = carla.WeatherParameters(**DEFAULT)
        values = {}
        for name in names:
            column = [
                parameters.get(name, float(getattr(neutral, name)))
                for parameters in self._parameters
            ]
            values[name] = float(np.interp(route_percent, self._percents, column))
        return carla.WeatherParameters(**values)
