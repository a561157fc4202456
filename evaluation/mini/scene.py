"""A place for a scenario, and the stretch of road that becomes its route."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.mini.crossings import Town
from evaluation.routes.lanes import LaneId
from evaluation.routes.scenario import Positions, RoadUser

F64 = NDArray[np.float64]

MARGIN_M = 6.0
"""From the ends of a lane: nobody starts in a junction."""
UPSTREAM_M, DOWNSTREAM_M = 95.0, 70.0
"""How far a stream comes and goes on."""
SHORTEST_UPSTREAM_M = 45.0
ON_PAVEMENT_M = 1.3
"""Beyond the kerb, where somebody on foot starts and ends."""


@dataclass(frozen=True)
class Scene:
    """A route that can be, with its two casts: a twin has the route's shape, and what differs is
    where, when or from which side the others come. key: town and lane where the route begins, so
    that no place is used twice."""

    key: tuple[str, LaneId]
    points_world_m: F64
    original: tuple[RoadUser, ...]
    twin: tuple[RoadUser, ...]


@dataclass(frozen=True)
class Stretch:
    """Points (n, 3), about a metre apart, of a way or lane from its point `first` on."""

    points_world_m: F64
    first: int

    def distance_m(self, index: int) -> float:
        """How far along the stretch a point of the way or lane is."""
        steps = np.linalg.norm(np.diff(self.points_world_m[:, :2], axis=0), axis=1)
        return float(steps[: index - self.first].sum())


Scenes = Callable[[Town, np.random.Generator], Iterator[Scene]]
"""All scenes of a type in a town, in random order."""


def positions(points_world_m: F64) -> Positions:
    return tuple((float(x), float(y), float(z)) for x, y, z in points_world_m)
