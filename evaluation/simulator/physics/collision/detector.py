"""Finds and answers all contacts of one tick."""

from __future__ import annotations

import cmath
from collections.abc import Sequence
from dataclasses import dataclass
from math import radians
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.physics import exact
from evaluation.simulator.physics.attached import AttachedBoxes
from evaluation.simulator.physics.bodies import BodyTable
from evaluation.simulator.physics.cells import CellGrid
from evaluation.simulator.physics.collision.geometry import (
    Boxes,
    Floats,
    Ints,
    Plane,
    Touches,
    find_touches,
    near_pairs,
)
from evaluation.simulator.physics.collision.response import Motion, resolve
from evaluation.simulator.town.scenery import StaticBoxes
from evaluation.simulator.wire.codec import BoundingBox, Transform

# Static boxes are sorted into cells grown by this much, so that a body's middle finds them: no
# vehicle's corner is farther from its middle.
LARGEST_RADIUS_M = 8.0
MOVING_MPS = 1e-3
MIN_IMPULSE_NS = 1.0
NOTHING_ATTACHED = AttachedBoxes()
_NO_BOXES = Boxes.of(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))
# Boxes are shrunk by this much for the check before a spawn, so that neighbours may touch.
SPAWN_TOLERANCE_M = 0.05


@dataclass(frozen=True)
class Contact:
    """One contact that was answered by an impulse.

    Attributes:
        actor_id: a body.
        other_id: the other body, 0 where it is part of the town.
        static_tag: semantic tag of that part (3 building, 6 pole, 9 tree), 0 for a body.
        normal: unit direction (x, y) in the world from the actor to the other.
        depth_m: overlap along it.
        point_m: where they touch, world (x, y).
        impulse_ns: impulse along the normal.
    """

    actor_id: int
    other_id: int
    static_tag: int
    normal: tuple[float, float]
    depth_m: float
    point_m: tuple[float, float]
    impulse_ns: float


class CollisionDetector:
    """Contacts among bodies and with what stands in a town.

    Args:
        static: buildings, poles and trees of the town.
    """

    def __init__(self, static: StaticBoxes) -> None:
        centre = np.asarray(static.centre, dtype=np.float64).reshape(-1, 3)
        half = np.asarray(static.half_extent, dtype=np.float64).reshape(-1, 3)
        self._static = Boxes.of(centre, half, np.asarray(static.yaw_rad, dtype=np.float64))
        self._static_tag = np.asarray(static.semantic_tag, dtype=np.int64)
        cos, sin = np.abs(self._static.axis.real), np.abs(self._static.axis.imag)
        reach = np.stack(
            (half[:, 0] * cos + half[:, 1] * sin, half[:, 0] * sin + half[:, 1] * cos), axis=1
        )
        reach += LARGEST_RADIUS_M
        self._grid = CellGrid(centre[:, :2] - reach, centre[:, :2] + reach)
        self._stands: NDArray[np.bool_] | None = None
        # Actors that the last step had to push out of others: looked at again even at rest.
        self._pushed: Ints = np.zeros(0, dtype=np.int64)

    def let_stand(self, stands: NDArray[np.bool_] | None) -> None:
        """Have only the static boxes whose flag (n,) is set stop bodies; None: all of them."""
        self._stands = stands

    def look_at(self, actor_id: int) -> None:
        """Look for contacts of a body in the next step even if it is at rest."""
        self._pushed = np.append(self._pushed, actor_id)

    def step(
        self, tables: Sequence[BodyTable], attached: AttachedBoxes = NOTHING_ATTACHED
    ) -> list[Contact]:
        """Find the contacts of all bodies and change their motion; return those with an impulse.

        What is `attached` to bodies touches as a part of them, but neither them nor each other.
        """
        scene = _Scene.of(tables, attached)
        if len(self._pushed):
            scene.moves[np.isin(scene.actor_id, self._pushed)] = True
            self._pushed = self._pushed[:0]
        if not scene.moves.any():
            return []
        first, second = self._body_pairs(scene)
        body, static = self._static_pairs(scene)
        if not len(first) and not len(body):
            return []
        others = scene.shapes.take(second).followed_by(self._static.take(static))
        shapes = scene.shapes.take(np.concatenate((first, body)))
        # One body more stands for the whole town.
        first = scene.owner[np.concatenate((first, body))]
        town = np.full(len(body), len(scene.actor_id))
        second = np.concatenate((scene.owner[second], town))
        velocity = np.append(scene.velocity_mps, 0.0)
        approach = velocity[first] - velocity[second]
        touches = find_touches(shapes, others, approach)
        if not len(touches.pair):
            return []
        tags = np.concatenate(
            (np.zeros(len(first) - len(body), np.int64), self._static_tag[static])
        )
        first, second, tags = first[touches.pair], second[touches.pair], tags[touches.pair]
        motion = scene.motion()
        impulse_ns = resolve(motion, first, second, touches)
        self._pushed = scene.write_back(motion)
        ids = np.append(scene.actor_id, 0)
        return _records(ids[first], ids[second], tags, touches, impulse_ns)

    def _body_pairs(self, scene: _Scene) -> tuple[Ints, Ints]:
        """Return pairs of shapes that may touch and of which at least one can move."""
        i, j = near_pairs(scene.shapes.middle_m, scene.shapes.radius_m)
        a, b = scene.owner[i], scene.owner[j]
        useful = scene.collides[a] & scene.collides[b] & (a != b)
        useful &= scene.inverse_mass[a] + scene.inverse_mass[b] > 0.0
        useful &= scene.moves[a] | scene.moves[b]
        return i[useful], j[useful]

    def _static_pairs(self, scene: _Scene) -> tuple[Ints, Ints]:
        """Return pairs of moving shapes and static boxes that may touch."""
        movable = scene.moves & scene.collides & (scene.inverse_mass > 0.0)
        rows = np.flatnonzero(movable[scene.owner])
        shapes = scene.shapes
        found, static = self._near_static(shapes.middle_m[rows], shapes.radius_m[rows])
        return rows[found], static

    def _near_static(self, middle_m: Plane, radius_m: Floats) -> tuple[Ints, Ints]:
        """Return pairs of circles and static boxes that may touch."""
        found, static = self._grid.near(np.stack((middle_m.real, middle_m.imag), axis=1))
        if self._stands is not None:
            stands = self._stands[static]
            found, static = found[stands], static[stands]
        boxes = self._static
        offset = boxes.axis[static].conj() * (middle_m[found] - boxes.middle_m[static])
        reach = boxes.half_m[static, :2] + radius_m[found, None]
        close = (np.abs(offset.real) < reach[:, 0]) & (np.abs(offset.imag) < reach[:, 1])
        return found[close], static[close]

    def overlaps_at(
        self,
        transform: Transform,
        box: BoundingBox,
        tables: Sequence[BodyTable],
        attached: AttachedBoxes = NOTHING_ATTACHED,
    ) -> bool:
        """Whether a body with `box` (in its own frame) at `transform` would stand in another."""
        yaw = radians(transform.rotation.yaw)
        offset = cmath.rect(1.0, yaw) * complex(box.location.x, box.location.y)
        centre = np.add(transform.location, (offset.real, offset.imag, box.location.z))
        half = np.maximum(np.array(box.extent) - SPAWN_TOLERANCE_M, 0.0)
        candidate = Boxes.of(centre[None], half[None], np.array([yaw]))
        _, static = self._near_static(candidate.middle_m, candidate.radius_m)
        others = self._static.take(static)
        for table in tables:
            found = _near_bodies(table, attached, centre, candidate.radius_m)
            others = others.followed_by(found) if len(found.z_m) else others
        count = len(others.z_m)
        if not count:
            return False
        same = candidate.take(np.zeros(count, dtype=np.int64))
        return len(find_touches(same, others, np.zeros(count, np.complex128)).pair) > 0


def _near_bodies(
    table: BodyTable, attached: AttachedBoxes, centre_m: Floats, radius_m: Floats
) -> Boxes:
    """Return the boxes of the bodies in a table that may be met within a circle (radius (1,)), and
    of what is attached to any of its bodies."""
    if not len(table):
        return _NO_BOXES
    state = table.state
    # A square around the circle around each box holds its corners.
    reach_m = state["half_extent_m"][:, :2].sum(axis=1) + radius_m
    near = np.abs(state["position_m"][:, :2] - centre_m[:2]).max(axis=1, initial=0.0) < reach_m
    if len(attached):
        near |= np.isin(state["actor_id"], attached.actor_id)
    rows = np.flatnonzero(near & state["collides"])
    if not len(rows):
        return _NO_BOXES
    part = state[rows]
    middle_m = part["position_m"].copy()
    middle_m[:, 2] += part["centre_z_m"]
    boxes = Boxes.of(middle_m, part["half_extent_m"], part["yaw_rad"])
    if not len(attached):
        return boxes
    more, _ = _attached(attached, part["actor_id"], part["position_m"], part["yaw_rad"])
    return boxes.followed_by(more)


@dataclass(frozen=True)
class _Scene:
    """All bodies of a tick, gathered from their tables.

    `shapes` are the boxes of the bodies and, after them, what is attached to them; `owner` is the
    body of each shape.
    """

    tables: Sequence[BodyTable]
    actor_id: Ints
    boxes: Boxes
    velocity_mps: Plane
    yaw_rate_radps: Floats
    inverse_mass: Floats
    inverse_inertia: Floats
    collides: NDArray[np.bool_]
    moves: NDArray[np.bool_]
    shapes: Boxes
    owner: Ints

    @classmethod
    def of(cls, tables: Sequence[BodyTable], attached: AttachedBoxes) -> _Scene:
        """Copy what matters out of the tables."""
        tables = [table for table in tables if len(table)]

        def column(name: str) -> NDArray[Any]:
            return np.concatenate([table.state[name] for table in tables])

        if not tables:
            tables = [BodyTable()]
        centre = column("position_m")
        centre[:, 2] += column("centre_z_m")
        velocity = column("velocity_mps")
        spin = column("yaw_rate_radps")
        physics = column("physics")
        ids = column("actor_id")
        sine, cosine = np.concatenate([table.heading() for table in tables], axis=1)
        boxes = Boxes(
            exact.plane(centre[:, 0], centre[:, 1]),
            exact.plane(cosine, sine),
            centre[:, 2],
            column("half_extent_m"),
        )
        shapes, owner = boxes, np.arange(len(ids))
        if len(attached):
            more, theirs = _attached(attached, ids, column("position_m"), column("yaw_rad"))
            shapes, owner = boxes.followed_by(more), np.append(owner, theirs)
        return cls(
            tables,
            ids,
            boxes,
            exact.plane(velocity[:, 0], velocity[:, 1]),
            spin,
            physics / column("mass_kg"),
            physics / column("yaw_inertia_kgm2"),
            column("collides"),
            (np.abs(velocity).max(axis=1, initial=0.0) > MOVING_MPS) | (np.abs(spin) > MOVING_MPS),
            shapes,
            owner,
        )

    def motion(self) -> Motion:
        """Return copies that the response may change, with one fixed body more for the town."""
        return Motion(
            np.append(self.boxes.middle_m, 0.0),
            np.append(self.velocity_mps, 0.0),
            np.append(self.yaw_rate_radps, 0.0),
            np.append(self.inverse_mass, 0.0),
            np.append(self.inverse_inertia, 0.0),
        )

    def write_back(self, motion: Motion) -> Ints:
        """Hand each table the changes of its rows; return the actors whose place changed."""
        shift = motion.position_m[:-1] - self.boxes.middle_m
        change = motion.velocity_mps[:-1] - self.velocity_mps
        spin = motion.yaw_rate_radps[:-1] - self.yaw_rate_radps
        touched = (shift != 0.0) | (change != 0.0) | (spin != 0.0)
        start = 0
        for table in self.tables:
            rows = np.flatnonzero(touched[start : start + len(table)])
            if len(rows):
                place = start + rows
                table.receive(rows, _columns(shift[place]), _columns(change[place]), spin[place])
            start += len(table)
        moved: Ints = self.actor_id[shift != 0.0]
        return moved


def _attached(
    attached: AttachedBoxes, ids: Ints, origin_m: Floats, yaw_rad: Floats
) -> tuple[Boxes, Ints]:
    """Return what is attached to bodies (n,) as boxes in the world, and the row of each one's
    body."""
    row_of = {actor_id: row for row, actor_id in enumerate(ids.tolist())}
    kept = [k for k, actor_id in enumerate(attached.actor_id.tolist()) if actor_id in row_of]
    rows = np.array([row_of[actor_id] for actor_id in attached.actor_id[kept].tolist()], np.int64)
    offset = attached.centre_m[kept]
    way = exact.times(exact.direction(yaw_rad[rows]), exact.plane(offset[:, 0], offset[:, 1]))
    centre = origin_m[rows] + np.stack((way.real, way.imag, offset[:, 2]), axis=1)
    yaw = yaw_rad[rows] + attached.yaw_rad[kept]
    return Boxes.of(centre, attached.half_m[kept], yaw), rows


def _columns(vectors: Plane) -> Floats:
    return np.stack((vectors.real, vectors.imag), axis=1)


def _records(
    first_id: Ints, second_id: Ints, tags: Ints, touches: Touches, impulse_ns: Floats
) -> list[Contact]:
    return [
        Contact(
            int(first_id[index]),
            int(second_id[index]),
            int(tags[index]),
            (float(touches.normal[index].real), float(touches.normal[index].imag)),
            float(touches.depth_m[index]),
            (float(touches.point_m[index].real), float(touches.point_m[index].imag)),
            float(impulse_ns[index]),
        )
        for index in np.flatnonzero(impulse_ns > MIN_IMPULSE_NS).tolist()
    ]
