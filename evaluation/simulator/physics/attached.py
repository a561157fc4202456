"""Boxes that are fixed to bodies and stick out of them, such as open doors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AttachedBoxes:
    """k upright boxes in the axes of the actors that they belong to (x forward, y right, z up).

    Attributes:
        actor_id: whose they are, (k,); an actor may have several.
        centre_m: centres (k, 3) from the actor's origin.
        half_m: half extents (k, 3) along the box's own axes.
        yaw_rad: how far (k,) each is turned against its actor, clockwise seen from above.
    """

    actor_id: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    centre_m: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    half_m: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    yaw_rad: Floats = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.actor_id)
