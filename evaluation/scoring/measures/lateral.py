"""Distance between the vehicle and the centre line of its route."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from evaluation.routes.dense_route import DenseRoute
from evaluation.scoring.route_progress import RouteProgress
from evaluation.scoring.tick import Infraction, Place, Tick

WINDOW = 5


class LateralDeviation:
    """Not a leaderboard rule: unsigned distance to the nearest segment of the route, sampled once
    per metre driven so that waiting at a light does not count more than driving. The figures are
    None as long as there is no sample."""

    def __init__(self, route: DenseRoute) -> None:
        # Plain numbers, as in RouteProgress.
        self._points_m: list[tuple[float, float]] = [
            (x, y) for x, y in route.points_world_m[:, :2].tolist()
        ]
        self._progress = RouteProgress(route, WINDOW)
        self._last_index = -1
        self._samples_m: list[float] = []

    def step(self, tick: Tick) -> Sequence[Infraction]:
        self._progress.step(tick.place_world_m)
        if self._progress.index != self._last_index:
            self._last_index = self._progress.index
            self._samples_m.append(self._distance(tick.place_world_m))
        return ()

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        return ()

    def _distance(self, place_world_m: Place) -> float:
        x, y, _ = place_world_m
        first = max(self._last_index - 1, 0)
        points_m = self._points_m[first : self._last_index + 3]
        if len(points_m) == 1:
            return math.hypot(points_m[0][0] - x, points_m[0][1] - y)
        return min(
            _segment_distance_m(x - start_x, y - start_y, end_x - start_x, end_y - start_y)
            for (start_x, start_y), (end_x, end_y) in pairwise(points_m)
        )

    @property
    def last_m(self) -> float:
        """The last sample; 0 before the first."""
        return self._samples_m[-1] if self._samples_m else 0.0

    @property
    def mean_m(self) -> float | None:
        return float(np.mean(self._samples_m)) if self._samples_m else None

    @property
    def p95_m(self) -> float | None:
        return float(np.percentile(self._samples_m, 95)) if self._samples_m else None


def _segment_distance_m(x: float, y: float, along_x: float, along_y: float) -> float:
    """From the point (x, y) to the segment from the origin to (along_x, along_y)."""
    squared = max(along_x * along_x + along_y * along_y, 1e-9)
    share = min(max((x * along_x + y * along_y) / squared, 0.0), 1.0)
    return math.hypot(share * along_x - x, share * along_y - y)
