"""What of a town's scenery is there: the layers that are loaded, less the things that are hidden.

Which things belong to which layer follows the names in CARLA's documentation (`carla.MapLayer`):
roads, pavements, markings, traffic lights and signs belong to none and always stay. This program's
towns have no decals, parked vehicles, particles, props or walls of their own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.town.scenery import Material, Scenery

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
F64 = NDArray[np.float64]


class MapLayer(IntFlag):
    """Bits of carla.MapLayer (LibCarla, rpc/MapLayer.h)."""

    NONE = 0
    BUILDINGS = 0x1
    DECALS = 0x2
    FOLIAGE = 0x4
    GROUND = 0x8
    PARKED_VEHICLES = 0x10
    PARTICLES = 0x20
    PROPS = 0x40
    STREET_LIGHTS = 0x80
    WALLS = 0x100
    ALL = 0xFFFF


TERRAIN = frozenset({Material.GRASS})
"""The materials of the layer Ground: the land around roads and pavements."""

# A mast's arm begins on the mast's axis, a plate hangs 0.06 m before its post, a housing 0.76 m
# from its arm or, where that reaches to the other side, up to a lane's width from its mast
# (`town/signals.py`); a lamp is at the end of its arm (`town/buildings.py`).
_ARM_REACH_M = 0.3
_PLATE_REACH_M = 0.3
_HOUSING_REACH_M = 4.0


@dataclass(frozen=True)
class Shown:
    """Which rows of a scenery are there: one flag for each row of the fields of the same name.

    Attributes:
        boxes: one flag for each row of `Scenery.static_boxes()`.
        terrain: whether the meshes of `TERRAIN` are there.
    """

    boxes: Bools
    buildings: Bools
    trees: Bools
    poles: Bools
    lamp_heads: Bools
    sign_faces: Bools
    street_lamps: Bools
    terrain: bool


_NO_LAYER = 1 << 16
"""What belongs to no layer of carla.MapLayer."""


class Inventory:
    """The things of a scenery: the layer of each, and what hangs on which pole."""

    def __init__(self, scenery: Scenery) -> None:
        self._upright = np.flatnonzero(scenery.upright_poles())
        self._hangs = Hanging.of(scenery)
        posts = np.full(len(self._upright), _NO_LAYER, np.int64)
        posts[np.isin(self._upright, self._hangs.street_lamps)] = MapLayer.STREET_LIGHTS
        self._houses = len(scenery.buildings.centre)
        self._layers: Ints = np.concatenate(
            [
                np.full(self._houses, MapLayer.BUILDINGS, np.int64),
                posts,
                np.full(len(scenery.trees.height_m), MapLayer.FOLIAGE, np.int64),
            ]
        )

    def loaded_rows(self, loaded: MapLayer) -> Bools:
        """Which rows (n,) of `Scenery.static_boxes()` are of a layer that is loaded, or of none."""
        loaded_rows: Bools = (self._layers & (int(loaded) | _NO_LAYER)) != 0
        return loaded_rows

    def shown(self, loaded: MapLayer, hidden: Collection[int]) -> Shown:
        """What is there of the layers `loaded`, without the static boxes whose rows are `hidden`.

        With an upright pole goes what hangs on it: its arm, housings, plates and lamp.
        """
        boxes = self.loaded_rows(loaded)
        boxes[list(hidden)] = False
        trees = self._houses + len(self._upright)
        # The last row stands for what hangs on no pole.
        stands = np.ones(len(self._hangs.poles) + 1, np.bool_)
        stands[self._upright] = boxes[self._houses : trees]
        return Shown(
            boxes=boxes,
            buildings=boxes[: self._houses],
            trees=boxes[trees:],
            poles=stands[self._hangs.poles],
            lamp_heads=stands[self._hangs.lamp_heads],
            sign_faces=stands[self._hangs.sign_faces],
            street_lamps=stands[self._hangs.street_lamps],
            terrain=MapLayer.GROUND in loaded,
        )


class Hanging(NamedTuple):
    """The upright pole that carries each pole, lamp housing, sign plate and street lamp, as its row
    in `Scenery.poles`; -1 for what hangs on none. An upright pole carries itself."""

    poles: Ints
    lamp_heads: Ints
    sign_faces: Ints
    street_lamps: Ints

    @classmethod
    def of(cls, scenery: Scenery) -> Hanging:
        """Found by distance: a scenery does not say what was built together."""
        poles = scenery.poles
        start, end = poles.start.astype(np.float64), poles.end.astype(np.float64)
        upright = np.flatnonzero(scenery.upright_poles())
        carrier = np.full(len(start) + 1, -1, np.int64)
        carrier[upright] = upright
        arms = np.flatnonzero(~scenery.upright_poles())
        posts = np.append(upright, -1)
        carrier[arms] = posts[_nearest(start[arms], start[upright], end[upright], _ARM_REACH_M)]

        def carriers(place: NDArray[np.float32], reach_m: float) -> Ints:
            return carrier[_nearest(place.astype(np.float64), start, end, reach_m)]

        return cls(
            carrier[:-1],
            carriers(scenery.lamp_heads.location, _HOUSING_REACH_M),
            carriers(scenery.sign_faces.location, _PLATE_REACH_M),
            carriers(scenery.street_lamps.location, _ARM_REACH_M),
        )


def _nearest(points: F64, start: F64, end: F64, reach_m: float) -> Ints:
    """The bar from `start` to `end` (n, 3) nearest to each point (m, 3); -1 beyond `reach_m`."""
    found = np.full(len(points), -1, np.int64)
    if not len(start):
        return found
    along = end - start
    squared = np.maximum((along * along).sum(axis=1), 1e-12)
    for row, point in enumerate(points):
        share = np.clip(((point - start) * along).sum(axis=1) / squared, 0.0, 1.0)
        distance_m = np.linalg.norm(start + share[:, None] * along - point, axis=1)
        nearest = int(np.argmin(distance_m))
        if distance_m[nearest] <= reach_m:
            found[row] = nearest
    return found
