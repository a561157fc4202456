"""What scripted road users know of a tick."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import carla
import numpy as np
from numpy.typing import NDArray

SLOWEST_MPS = 5.0
"""An ego that is slower counts as this fast: one that starts, or waits, still comes some time."""


@dataclass(frozen=True)
class Moment:
    """A tick: the ego's distance along its route, and where all vehicles are.

    vehicle_ids: of those that a scripted driver keeps clear of, the ego and the background's among
    them.
    """

    snapshot: carla.WorldSnapshot
    time_s: float
    ego_id: int
    ego_m: float
    ego_mps: float
    vehicle_ids: Collection[int]

    def eta_s(self, place_m: float) -> float:
        """When the ego would come to a place of its route at the speed that it has; negative
        behind it."""
        return (place_m - self.ego_m) / max(self.ego_mps, SLOWEST_MPS)

    def centres_world_m(self, without: int) -> NDArray[np.float64]:
        """(n, 2) where the vehicles are, but for one."""
        found = (self.snapshot.find(one) for one in self.vehicle_ids if one != without)
        places = [actor.get_transform().location for actor in found if actor is not None]
        points = [(place.x, place.y) for place in places]
        return np.array(points, dtype=np.float64).reshape(-1, 2)
