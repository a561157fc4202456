"""What a ray may meet of a world, and what the same ray met before.

A client that looks for open doors casts some ten rays a tick, each along a parked car: what stands
a street away is passed over, and where nothing near has moved the answer is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.physics import exact
from evaluation.simulator.physics.attached import AttachedBoxes
from evaluation.simulator.physics.pose import Floats, rotation_matrices
from evaluation.simulator.town.scenery import StaticBoxes
from evaluation.simulator.town.shown import Shown
from evaluation.simulator.wire.codec import Vector3D
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.actor_table import ActorTable

_BODIES = (ActorKind.VEHICLE, ActorKind.WALKER, ActorKind.PROP)
_SLACK_M = 0.01
"""Chosen: far more than the rounding of a place in any town (1e6 m come to 1e-10)."""
_MOST_WAYS = 1024
"""How many rays are remembered: more than anybody casts in a tick."""


class LabelledPoint(NamedTuple):
    """Where a ray met something, and the semantic tag of what it met."""

    location: Vector3D
    label: int


class Targets(NamedTuple):
    """k boxes in the world: centres and half extents (k, 3) in metres, the matrices (k, 3, 3) from
    their axes to the world's, and semantic tags (k,)."""

    centre: Floats
    half_extent: Floats
    world_from_box: Floats
    tags: NDArray[np.int64]


class NearBodies(NamedTuple):
    """Bodies and doors near a ray: their rows (k,), and where their actors are now (k, 3)."""

    rows: NDArray[np.intp]
    location: Floats
    rotation_deg: Floats

    def key(self) -> tuple[bytes, bytes, bytes]:
        """Differs as soon as one of them comes, goes, moves or turns."""
        return self.rows.tobytes(), self.location.tobytes(), self.rotation_deg.tobytes()


class _Known(NamedTuple):
    """What a ray met; `near` and `shown` tell of what was there."""

    near: tuple[bytes, bytes, bytes]
    shown: Shown | None
    points: tuple[LabelledPoint, ...]


Way = tuple[Vector3D, Vector3D]
"""From where to where a ray goes."""


@dataclass(frozen=True)
class _Bodies:
    """Boxes that move with actors: those of the bodies and, after them, their open doors.

    `row` (k,) of the actors' table, centres and half extents (k, 3), the radius (k,) about the
    actor's origin that holds the box, how far it is turned against the actor (k, 3; pitch, yaw and
    roll in degrees), and tags (k,).
    """

    row: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    offset: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    half_extent: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    radius_m: Floats = field(default_factory=lambda: np.zeros(0))
    turn_deg: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    tags: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


class RayTargets:
    """Remembers of a world what does not change between two rays.

    Args:
        static: buildings, poles and trees of the town.
    """

    def __init__(self, static: StaticBoxes) -> None:
        count = len(static.yaw_rad)
        self._centre = np.asarray(static.centre, np.float64).reshape(-1, 3)
        self._half_extent = np.asarray(static.half_extent, np.float64).reshape(-1, 3)
        upright = np.zeros((count, 3))
        upright[:, 1] = np.degrees(static.yaw_rad)
        self._world_from_box = rotation_matrices(upright)
        self._tags = np.asarray(static.semantic_tag, np.int64)
        radius_m = np.linalg.norm(self._half_extent, axis=1)[:, None] + _SLACK_M
        self._low, self._high = self._centre - radius_m, self._centre + radius_m
        self._bodies = _Bodies()
        self._membership = -1
        self._known: dict[Way, _Known] = {}

    def static_near(
        self, low: Floats, high: Floats, stands: NDArray[np.bool_] | None = None
    ) -> Targets:
        """Return the boxes of the town that may reach into an upright one from `low` to `high`
        (3,); with `stands` (n,) only those whose flag is set."""
        near = (self._low <= high).all(axis=1) & (self._high >= low).all(axis=1)
        if stands is not None:
            near &= stands
        rows = np.flatnonzero(near)
        return Targets(
            self._centre[rows],
            self._half_extent[rows],
            self._world_from_box[rows],
            self._tags[rows],
        )

    def bodies_near(
        self,
        low: Floats,
        high: Floats,
        table: ActorTable,
        actors: Mapping[int, Actor],
        doors: AttachedBoxes,
        membership: int,
    ) -> NearBodies:
        """Return the bodies, and after them the open doors, that may reach into an upright box from
        `low` to `high` (3,). `membership`: see `World`."""
        if membership != self._membership:
            self._bodies, self._membership = _survey(actors, doors), membership
            self._known.clear()
        bodies = self._bodies
        location = table.location[bodies.row]
        reach = bodies.radius_m[:, None]
        near = (location - reach <= high).all(axis=1) & (location + reach >= low).all(axis=1)
        rows = np.flatnonzero(near)
        return NearBodies(rows, location[rows], table.rotation_deg[bodies.row[rows]])

    def boxes_of(self, near: NearBodies) -> Targets:
        """Return the boxes of bodies and doors."""
        bodies, rows = self._bodies, near.rows
        world_from_actor = rotation_matrices(near.rotation_deg)
        turned = exact.transform_each(world_from_actor, bodies.offset[rows])
        return Targets(
            near.location + turned,
            bodies.half_extent[rows],
            exact.multiply_each(world_from_actor, rotation_matrices(bodies.turn_deg[rows])),
            bodies.tags[rows],
        )

    def recall(self, way: Way, near: NearBodies, shown: Shown | None) -> list[LabelledPoint] | None:
        """Return what the same way met when the same was there, at the same places; None if it was
        otherwise then, or never looked along."""
        known = self._known.get(way)
        if known is None or known.shown is not shown or known.near != near.key():
            return None
        return list(known.points)

    def remember(
        self, way: Way, near: NearBodies, shown: Shown | None, points: list[LabelledPoint]
    ) -> None:
        """Keep what a way has met."""
        if len(self._known) >= _MOST_WAYS:
            self._known.clear()
        self._known[way] = _Known(near.key(), shown, tuple(points))


def _survey(actors: Mapping[int, Actor], doors: AttachedBoxes) -> _Bodies:
    bodies = [actor for actor in actors.values() if actor.kind in _BODIES]
    boxes = [actor.bounding_box for actor in bodies]
    owners = bodies + [actors[actor_id] for actor_id in doors.actor_id.tolist()]
    offset = np.array([box.location for box in boxes], np.float64).reshape(-1, 3)
    extent = np.array([box.extent for box in boxes], np.float64).reshape(-1, 3)
    offset = np.concatenate([offset, doors.centre_m])
    extent = np.concatenate([extent, doors.half_m])
    turn_deg = np.zeros((len(owners), 3))
    turn_deg[len(bodies) :, 1] = np.degrees(doors.yaw_rad)
    return _Bodies(
        row=np.array([actor.row for actor in owners], np.intp),
        offset=offset,
        half_extent=extent,
        radius_m=np.linalg.norm(offset, axis=1) + np.linalg.norm(extent, axis=1) + _SLACK_M,
        turn_deg=turn_deg,
        tags=np.array([actor.semantic_tag for actor in owners], np.int64),
    )
