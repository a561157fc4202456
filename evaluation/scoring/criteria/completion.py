"""How much of the route was driven, and whether its end was reached."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.routes.dense_route import DenseRoute
from evaluation.scoring.route_progress import RouteProgress
from evaluation.scoring.tick import Infraction, Tick

WINDOW = 2
REACHED_PERCENT = 99.0
REACHED_DISTANCE_M = 10.0


class Completion:
    """percent: 0..100 of the route's length; 100 once the end is reached, that is with more than
    99 % driven and less than 10 m to go. over: one tick later, which is still judged
    (scenario_runner, RouteCompletionTest). The route is measured as it was planned; the leaderboard
    lifts its first point by half a metre with the vehicle that it spawns there, and so takes it for
    0.12 m longer."""

    def __init__(self, route: DenseRoute) -> None:
        self._progress = RouteProgress(route, WINDOW)
        self._end_m = route.points_world_m[-1]
        self.reached = False
        self.over = False

    @property
    def percent(self) -> float:
        if self.reached:
            return 100.0
        return round(100.0 * self._progress.driven_m / self._progress.length_m, 2)

    def step(self, tick: Tick) -> Sequence[Infraction]:
        self.over = self.reached
        self._progress.step(tick.place_world_m)
        if self.percent > REACHED_PERCENT:
            end_distance_m = float(np.linalg.norm(tick.location_world_m - self._end_m))
            self.reached = self.reached or end_distance_m < REACHED_DISTANCE_M
        return ()

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        return ()
