"""Which of many fixed places are near a vehicle that moves little from tick to tick."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.scoring.tick import Place

STRIDE_M = 10.0
"""Chosen: so far the vehicle comes before all the places are looked through again."""


class Nearby:
    """Looks through the places once in ten metres.

    Args:
        places_world_m: the fixed places, each (3,).
        reach_m: how near is near.
    """

    def __init__(self, places_world_m: Sequence[NDArray[np.float64]], reach_m: float) -> None:
        self._places_m = np.array(places_world_m, dtype=np.float64).reshape(-1, 3)
        self._reach_m = reach_m
        self._asked_m: Place = (math.inf, math.inf, math.inf)
        self._around: list[tuple[int, Place]] = []

    def within(self, here_m: Place) -> list[int]:
        """Indexes of the places that are no farther than the reach, in order."""
        # Not "farther than": the first comparison, with infinity, is to look through them too.
        if not math.dist(here_m, self._asked_m) <= STRIDE_M:
            self._asked_m = here_m
            offsets_m = np.linalg.norm(self._places_m - here_m, axis=1)
            near = np.flatnonzero(offsets_m <= self._reach_m + 1.1 * STRIDE_M).tolist()
            self._around = [(index, tuple(self._places_m[index].tolist())) for index in near]
        return [
            index for index, place_m in self._around if math.dist(here_m, place_m) <= self._reach_m
        ]
