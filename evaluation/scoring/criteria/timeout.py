"""The time a route may take; it grows with the distance driven."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.routes.dense_route import DenseRoute
from evaluation.scoring.route_progress import RouteProgress
from evaluation.scoring.tick import Infraction, Kind, Tick, has_passed

WINDOW = 3
MIN_TIMEOUT_S = 300.0
SPEED_SHARE = 0.1
SLOWEST_LIMIT_MPS = 1.0
"""Stands in for a speed limit of zero, which a map without limits reports."""


class RouteTimeout:
    """300 s from the first tick on, and for each metre driven the time it takes at a tenth of the
    speed limit (scenario_runner, RouteTimeoutBehavior)."""

    def __init__(self, route: DenseRoute) -> None:
        self._progress = RouteProgress(route, WINDOW)
        self._start_s: float | None = None
        self.allowed_s = MIN_TIMEOUT_S

    def step(self, tick: Tick) -> Sequence[Infraction]:
        if self._start_s is None:
            self._start_s = tick.time_s
        before_m = self._progress.driven_m
        self._progress.step(tick.place_world_m)
        slow_mps = SPEED_SHARE * max(tick.speed_limit_mps, SLOWEST_LIMIT_MPS)
        self.allowed_s += (self._progress.driven_m - before_m) / slow_mps
        if has_passed(tick.time_s - self._start_s, self.allowed_s):
            return (Infraction(Kind.ROUTE_TIMEOUT, tick.frame, "Route timeout."),)
        return ()

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        return ()
