"""Driving slower than the traffic around, judged once per part of the route."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.routes.dense_route import DenseRoute
from evaluation.scoring.route_progress import RouteProgress
from evaluation.scoring.tick import Infraction, Kind, Tick

WINDOW = 2
CHECKPOINTS = 4
BENCH2DRIVE_CHECKPOINTS = 20
ALONE_PERCENT = 100.0
"""What Bench2Drive notes where no traffic moved."""
LAST_CHECKPOINT_SHARE = 0.95


class MinSpeed:
    """Mean speed of the ego in percent of the mean speed of the background vehicles, per quarter of
    the route (scenario_runner, MinimumSpeedRouteTest; `finish` closes the last one if the route
    ends beyond 95 %). values_percent: one entry per checkpoint passed, None where no traffic moved
    to compare with, which is no infraction (scenario_runner calls it 100 %).

    Bench2Drive has twenty parts and notes every one of them, whatever the speed (`every_one`).
    """

    def __init__(
        self, route: DenseRoute, checkpoints: int = CHECKPOINTS, every_one: bool = False
    ) -> None:
        self._every_one = every_one
        self._progress = RouteProgress(route, WINDOW)
        self._checkpoint_m = self._progress.length_m / checkpoints
        self._checkpoint_start_m = 0.0
        self._ego_sum = 0.0
        self._traffic_sum = 0.0
        self.values_percent: list[float | None] = []
        self._last: Sequence[Infraction] = ()

    def step(self, tick: Tick) -> Sequence[Infraction]:
        self._progress.step(tick.place_world_m)
        found: Sequence[Infraction] = ()
        if self._progress.driven_m - self._checkpoint_start_m > self._checkpoint_m:
            found = self._close(tick)
            self._checkpoint_start_m = self._progress.driven_m
            self._ego_sum = self._traffic_sum = 0.0
        if tick.traffic_speeds_mps is not None and len(tick.traffic_speeds_mps):
            self._ego_sum += tick.speed_mps
            self._traffic_sum += float(np.mean(tick.traffic_speeds_mps))
        return found

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        if self._progress.driven_m > LAST_CHECKPOINT_SHARE * self._progress.length_m:
            self._last = self._close(tick)
        return self._last

    def finish_again(self) -> Sequence[Infraction]:
        """What `finish` said, once more: scenario_runner ends this criterion twice, and therefore
        the last checkpoint counts twice in the score."""
        return self._last

    def _close(self, tick: Tick) -> Sequence[Infraction]:
        percent = None
        if self._traffic_sum > 0.0:
            percent = round(100.0 * self._ego_sum / self._traffic_sum, 2)
        self.values_percent.append(percent)
        if self._every_one and percent is None:
            percent = ALONE_PERCENT
        if percent is None or (percent >= ALONE_PERCENT and not self._every_one):
            return ()
        message = f"Average speed is {percent}% of the surrounding traffic's one"
        return (Infraction(Kind.MIN_SPEED, tick.frame, message, percent),)
