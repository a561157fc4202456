"""How far along the points of a route a vehicle has come."""

from __future__ import annotations

import numpy as np

from evaluation.routes.dense_route import DenseRoute
from evaluation.scoring.tick import Place


class RouteProgress:
    """Index of the last route point that the vehicle has passed.

    A point is passed when the vehicle is in front of the line across the lane at that point. Only
    `window` points ahead are looked at each tick, so that a route that crosses itself is not cut
    short (scenario_runner, atomic_criteria.py; windows differ between its criteria).
    """

    def __init__(self, route: DenseRoute, window: int) -> None:
        places_m = route.points_world_m[:, :2].tolist()
        directions = np.stack([np.cos(route.yaw_rad), np.sin(route.yaw_rad)], axis=1).tolist()
        # Plain numbers: for a handful of points arrays cost ten times as much in every tick.
        self._lines = [
            (x, y, dx, dy) for (x, y), (dx, dy) in zip(places_m, directions, strict=True)
        ]
        self._window = window
        self._distance_m: list[float] = route.distance_m.tolist()
        self.index = 0

    @property
    def driven_m(self) -> float:
        return self._distance_m[self.index]

    @property
    def length_m(self) -> float:
        return self._distance_m[-1]

    def step(self, place_world_m: Place) -> None:
        ego_x, ego_y, _ = place_world_m
        last = min(self.index + self._window, len(self._lines) - 1)
        for index in range(last, self.index, -1):
            x, y, direction_x, direction_y = self._lines[index]
            if (ego_x - x) * direction_x + (ego_y - y) * direction_y > 0.0:
                self.index = index
                return
