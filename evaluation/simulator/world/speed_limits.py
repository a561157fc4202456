"""Speed limits: which one applies to each vehicle.

A vehicle takes the limit of its lane or road where the map states one, else that of the last sign
it passed, else the town's default. Roads are looked up now and then only, a few vehicles per tick,
and what the map says of a place is remembered.
"""

from __future__ import annotations

from math import isnan, nan

import carla
import numpy as np

from evaluation.simulator.physics.bodies import BodyTable
from evaluation.simulator.physics.cells import Floats, Ints
from evaluation.simulator.town.town import Town
from evaluation.simulator.wire.codec import Vector3D
from evaluation.simulator.world.trigger_areas import AreaIndex

LIMIT_SIGN = "traffic.speed_limit."
KMH_PER_MPS = 3.6
# Each vehicle's road is looked up once in so many ticks (two seconds at 20 Hz).
LOOK_UP_TICKS = 40
# Places in one cell of this size (across, up) are taken to be on one road.
CELL_M = (1.0, 1.0, 4.0)


class SpeedLimits:
    """Keeps the limit of every vehicle."""

    def __init__(self, town: Town) -> None:
        self._town = town
        signs = [sign for sign in town.traffic_signs if sign.type_id.startswith(LIMIT_SIGN)]
        self._areas = AreaIndex([s.transform for s in signs], [s.trigger_box for s in signs])
        shown_kmh = [float(sign.type_id.removeprefix(LIMIT_SIGN)) for sign in signs]
        self._shown_mps = np.array(shown_kmh, dtype=np.float64) / KMH_PER_MPS
        self._actor_ids: Ints = np.zeros(0, dtype=np.int64)
        self._limit_mps: Floats = np.zeros(0)
        self._of_cell: dict[tuple[int, int, int], float | None] = {}
        self._tick = 0

    def step(self, vehicles: BodyTable) -> Floats:
        """Return the limit (n,) in m/s for each row of `vehicles`; call it once per tick."""
        self._follow_membership(vehicles.actor_ids)
        places = vehicles.state["position_m"]
        passing, signs = self._areas.candidates(places)
        self._limit_mps[passing] = self._shown_mps[signs]
        turn = range(self._tick % LOOK_UP_TICKS, len(places), LOOK_UP_TICKS)
        unknown = np.flatnonzero(np.isnan(self._limit_mps)).tolist()
        for row in {*turn, *unknown}:
            passed_mps = float(self._limit_mps[row])
            place = Vector3D(*places[row].tolist())
            self._limit_mps[row] = self.at(place, None if isnan(passed_mps) else passed_mps)
        self._tick += 1
        return self._limit_mps

    def _follow_membership(self, actor_ids: Ints) -> None:
        """Keep one limit per row of the vehicles; NaN for new ones."""
        if np.array_equal(actor_ids, self._actor_ids):
            return
        known = dict(zip(self._actor_ids.tolist(), self._limit_mps.tolist(), strict=True))
        self._actor_ids = actor_ids.copy()
        self._limit_mps = np.array([known.get(actor_id, nan) for actor_id in actor_ids.tolist()])

    def at(self, place_m: Vector3D, passed_mps: float | None = None) -> float:
        """Return the limit in m/s at a place for who passed a sign with `passed_mps` last."""
        x, y, z = place_m
        cell = (int(x // CELL_M[0]), int(y // CELL_M[1]), int(z // CELL_M[2]))
        if cell not in self._of_cell:
            self._of_cell[cell] = self._stated_mps(carla.Location(x, y, z))
        limit_mps = self._of_cell[cell]
        if limit_mps is not None:
            return limit_mps
        return self._town.default_speed_limit_mps if passed_mps is None else passed_mps

    def _stated_mps(self, location: carla.Location) -> float | None:
        """What the map states for the lane nearest to a place."""
        waypoint = self._town.map.get_waypoint(location)
        if waypoint is None:
            return None
        return self._town.limits.at_mps(
            waypoint.road_id, waypoint.section_id, waypoint.lane_id, waypoint.s
        )
