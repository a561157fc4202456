"""How far along the points of a route a vehicle has come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.routes.lane_graph import DenseRoute


class RouteProgress:
    """Index of the last route point that the vehicle has passed.

    A point is passed when the vehicle is in front of the line across the lane at that point. Only
    `window` points ahead are looked at each tick, so that a route that crosses itself is not cut
    short (scenario_runner, atomic_criteria.py; windows differ between its criteria).
    """

    def __init__(self, route: DenseRoute, window: int) -> None:
        self._points_m = route.points_world_m[:, :2]
        self._directions = np.stack([np.cos(route.yaw_rad), np.sin(route.yaw_rad)], axis=1)
        self._window = window
        self.distance_m = route.distance_m
        self.index = 0

    @property
    def driven_m(self) -> float:
        return float(self.distance_m[self.index])

    @property
    def length_m(self) -> float:
        return float(self.distance_m[-1])

    def step(self, location_world_m: NDArray[np.float64]) -> None:
        ahead = slice(self.index, self.index + self._window + 1)
        offsets_m = location_world_m[:2] - self._points_m[ahead]
        passed = np.einsum("ij,ij->i", offsets_m, self._directions[ahead]) > 0.0
        if passed.any():
            self.index += int(np.flatnonzero(passed)[-1])
