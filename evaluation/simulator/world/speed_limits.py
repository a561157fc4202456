"""Speed limits: which one applies to each vehicle.

A vehicle takes the limit of its lane or road where the map states one, else that of the last sign
it passed, else the town's default. Roads are looked up now and then only, a few vehicles per tick,
and what the map says of a place is remembered. Neither depends on what was in the world before, so
that a route is the same after others as in a new simulator.
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
# Places in one cell of this size (across, up) are taken to be on the road of its middle.
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
        self._wait_ticks: Ints = np.zeros(0, dtype=np.int64)

    def step(self, vehicles: BodyTable) -> Floats:
        """Return the limit (n,) in m/s for each row of `vehicles`; call it once per tick."""
        self._follow_membership(vehicles.actor_ids)
        places = vehicles.state["position_m"]
        passing, signs = self._areas.candidates(places)
        self._limit_mps[passing] = self._shown_mps[signs]
        due = self._wait_ticks == 0
        for row in np.flatnonzero(due | np.isnan(self._limit_mps)).tolist():
            passed_mps = float(self._limit_mps[row])
            place = Vector3D(*places[row].tolist())
            self._limit_mps[row] = self.at(place, None if isnan(passed_mps) else passed_mps)
        self._wait_ticks = np.where(due, LOOK_UP_TICKS, self._wait_ticks) - 1
        return self._limit_mps

    def _follow_membership(self, actor_ids: Ints) -> None:
        """Keep one limit per row of the vehicles, NaN for new ones, and how long it holds: those
        that are new at once are looked up one after the other."""
        if np.array_equal(actor_ids, self._actor_ids):
            return
        known = {actor_id: row for row, actor_id in enumerate(self._actor_ids.tolist())}
        rows = np.array([known.get(actor_id, -1) for actor_id in actor_ids.tolist()], np.int64)
        is_old = rows >= 0
        limit_mps = np.full(len(rows), nan)
        limit_mps[is_old] = self._limit_mps[rows[is_old]]
        wait_ticks = (np.cumsum(~is_old) - 1) % LOOK_UP_TICKS
        wait_ticks[is_old] = self._wait_ticks[rows[is_old]]
        self._actor_ids = actor_ids.copy()
        self._limit_mps, self._wait_ticks = limit_mps, wait_ticks

    def at(self, place_m: Vector3D, passed_mps: float | None = None) -> float:
        """Return the limit in m/s at a place for who passed a sign with `passed_mps` last."""
        x, y, z = place_m
        cell = (int(x // CELL_M[0]), int(y // CELL_M[1]), int(z // CELL_M[2]))
        if cell not in self._of_cell:
            middle = [(index + 0.5) * size for index, size in zip(cell, CELL_M, strict=True)]
            self._of_cell[cell] = self._stated_mps(carla.Location(*middle))
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
