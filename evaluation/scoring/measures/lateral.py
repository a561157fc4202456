"""Distance between the vehicle and the centre line of its route."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.routes.dense_route import DenseRoute
from evaluation.scoring.route_progress import RouteProgress
from evaluation.scoring.tick import Infraction, Tick

WINDOW = 5


class LateralDeviation:
    """Not a leaderboard rule: unsigned distance to the nearest segment of the route, sampled once
    per metre driven so that waiting at a light does not count more than driving. The figures are
    None as long as there is no sample."""

    def __init__(self, route: DenseRoute) -> None:
        self._points_m = route.points_world_m[:, :2]
        self._progress = RouteProgress(route, WINDOW)
        self._last_index = -1
        self._samples_m: list[float] = []

    def step(self, tick: Tick) -> Sequence[Infraction]:
        self._progress.step(tick.location_world_m)
        if self._progress.index != self._last_index:
            self._last_index = self._progress.index
            self._samples_m.append(self._distance(tick.location_world_m[:2]))
        return ()

    def finish(self, tick: Tick) -> Sequence[Infraction]:
        return ()

    def _distance(self, location_m: NDArray[np.float64]) -> float:
        first = max(self._last_index - 1, 0)
        points_m = self._points_m[first : self._last_index + 3]
        starts_m, along_m = points_m[:-1], np.diff(points_m, axis=0)
        if len(starts_m) == 0:
            return float(np.linalg.norm(points_m[0] - location_m))
        squared = np.maximum(np.einsum("ij,ij->i", along_m, along_m), 1e-9)
        share = np.einsum("ij,ij->i", location_m - starts_m, along_m) / squared
        nearest_m = starts_m + np.clip(share, 0.0, 1.0)[:, None] * along_m
        return float(np.linalg.norm(nearest_m - location_m, axis=1).min())

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
