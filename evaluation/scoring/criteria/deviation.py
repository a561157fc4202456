"""Leaving the route altogether ends it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evaluation.routes.dense_route import DenseRoute
from evaluation.scoring.tick import Infraction, Kind, Tick, place_text

WINDOW = 5
MAX_DISTANCE_M = 30.0
SAFE_DISTANCE_M = 15.0
MAX_UNSAFE_SHARE = 0.3


class RouteDeviation:
    """More than 30 m off the route, or beyond 15 m for more than 30 % of its length
    (scenario_runner, InRouteTest)."""

    def __init__(self, route: DenseRoute) -> None:
        self._points_m = route.points_world_m[:, :2].tolist()
        self._distance_m = route.distance_m.tolist()
        self._index = 0
        self._unsafe_m = 0.0
        self._off_route = False

    def step(self, tick: Tick) -> Sequence[Infraction]:
        if self._off_route:
            return ()
        ego_x, ego_y, _ = tick.place_world_m
        distance_m, nearest = math.inf, self._index
        for index in range(self._index, min(self._index + WINDOW + 1, len(self._points_m))):
            x, y = self._points_m[index]
            offset_m = math.sqrt((x - ego_x) * (x - ego_x) + (y - ego_y) * (y - ego_y))
            # Of equally near points the last counts, so that repeated points do not hold it back.
            if offset_m <= distance_m:
                distance_m, nearest = offset_m, index
        if distance_m >= SAFE_DISTANCE_M:
            self._unsafe_m += self._distance_m[nearest] - self._distance_m[self._index]
        self._index = nearest
        unsafe_share = self._unsafe_m / self._distance_m[-1]
        self._off_route = distance_m >= MAX_DISTANCE_M or unsafe_share > MAX_UNSAFE_SHARE
        if not self._off_route:
            return ()
        place_m = tick.place_world_m
        message = f"Agent deviated from the route at {place_text(place_m)}"
        return (Infraction(Kind.ROUTE_DEVIATION, tick.frame, message, place_world_m=place_m),)

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        return ()
