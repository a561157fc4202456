"""Finds and answers all contacts of one tick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.bodies import BodyTable
from evaluation.simulator.cells import CellGrid
from evaluation.simulator.codec import BoundingBox, Transform
from evaluation.simulator.collision.geometry import (
    Boxes,
    Floats,
    Ints,
    Touches,
    find_touches,
    near_pairs,
)
from evaluation.simulator.collision.response import Motion, resolve
from evaluation.simulator.town.scenery import StaticBoxes

# Static boxes are sorted into cells grown by this much, so that a body's middle finds them; longer
# bodies than twice this are looked for at several points.
STATIC_MARGIN_M = 6.0
MOVING_MPS = 1e-3
MIN_IMPULSE_NS = 1.0
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
        yaw = np.asarray(static.yaw_rad, dtype=np.float64)
        self._static = Boxes(
            np.asarray(static.centre, dtype=np.float64),
            np.asarray(static.half_extent, dtype=np.float64),
            np.stack((np.cos(yaw), np.sin(yaw)), axis=1),
        )
        self._static_tag = np.asarray(static.semantic_tag, dtype=np.int64)
        reach = self._static.reach_m + STATIC_MARGIN_M
        middle = self._static.centre_m[:, :2]
        self._grid = CellGrid(middle - reach, middle + reach)

    def step(self, tables: Sequence[BodyTable]) -> list[Contact]:
        """Find the contacts of all bodies and change their motion; return those with an impulse."""
        scene = _gather(tables)
        a, b = self._body_pairs(scene)
        body, static = self._static_pairs(scene)
        if not len(a) and not len(body):
            return []
        among = _touches(scene.boxes, a, scene.boxes, b, scene.velocity_mps)
        walls = _touches(scene.boxes, body, self._static, static, scene.velocity_mps, fixed=True)
        if not len(among.pair) and not len(walls.pair):
            return []
        # The last body of the motion stands for the whole town.
        town = len(scene.actor_id)
        first = np.concatenate((a[among.pair], body[walls.pair]))
        second = np.concatenate((b[among.pair], np.full(len(walls.pair), town)))
        motion = scene.motion()
        impulse = resolve(
            motion,
            first,
            second,
            np.concatenate((among.normal, walls.normal)),
            np.concatenate((among.depth_m, walls.depth_m)),
            np.concatenate((among.point_m, walls.point_m)),
        )
        scene.write_back(tables, motion)
        tags = np.concatenate(
            (np.zeros(len(among.pair), np.int64), self._static_tag[static[walls.pair]])
        )
        return _records(scene, first, second, tags, among, walls, impulse)

    def _body_pairs(self, scene: _Scene) -> tuple[Ints, Ints]:
        """Return row pairs that may touch and of which at least one can move."""
        a, b = near_pairs(scene.boxes.centre_m[:, :2], scene.radius_m)
        useful = scene.collides[a] & scene.collides[b]
        useful &= scene.inverse_mass[a] + scene.inverse_mass[b] > 0.0
        useful &= scene.moves[a] | scene.moves[b]
        return a[useful], b[useful]

    def _static_pairs(self, scene: _Scene) -> tuple[Ints, Ints]:
        """Return pairs of moving rows and static boxes that may touch."""
        rows = np.flatnonzero(scene.moves & scene.collides & (scene.inverse_mass > 0.0))
        return self._near_static(scene.boxes.take(rows), rows)

    def _near_static(self, boxes: Boxes, rows: Ints) -> tuple[Ints, Ints]:
        if not len(rows) or not len(self._static_tag):
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing
        found, static = self._grid.near(boxes.centre_m[:, :2])
        gap = np.abs(boxes.centre_m[found, :2] - self._static.centre_m[static, :2])
        close = (gap < boxes.reach_m[found] + self._static.reach_m[static]).all(axis=1)
        return rows[found[close]], static[close]

    def overlaps_at(
        self, transform: Transform, box: BoundingBox, tables: Sequence[BodyTable]
    ) -> bool:
        """Whether a body with `box` (in its own frame) at `transform` would stand in another."""
        yaw = radians(transform.rotation.yaw)
        offset, extent = box.location, box.extent
        turned_x = cos(yaw) * offset.x - sin(yaw) * offset.y
        turned_y = sin(yaw) * offset.x + cos(yaw) * offset.y
        centre = np.add(transform.location, (turned_x, turned_y, offset.z))
        half = np.maximum(np.array(extent) - SPAWN_TOLERANCE_M, 0.0)
        candidate = Boxes(centre[None], half[None], np.array([[cos(yaw), sin(yaw)]]))
        scene = _gather(tables)
        bodies = np.flatnonzero(scene.collides)
        _, static = self._near_static(candidate, np.zeros(1, dtype=np.int64))
        for others, rows in ((scene.boxes, bodies), (self._static, static)):
            same = np.zeros(len(rows), dtype=np.int64)
            if len(
                find_touches(candidate.take(same), others.take(rows), np.zeros((len(rows), 2))).pair
            ):
                return True
        return False


@dataclass(frozen=True)
class _Scene:
    """All bodies of a tick, gathered from their tables."""

    actor_id: Ints
    boxes: Boxes
    radius_m: Floats
    velocity_mps: Floats
    yaw_rate_radps: Floats
    inverse_mass: Floats
    inverse_inertia: Floats
    collides: NDArray[np.bool_]
    moves: NDArray[np.bool_]

    def motion(self) -> Motion:
        """Return copies that the response may change, with one fixed body more for the town."""
        still = np.zeros((1, 2))
        return Motion(
            np.concatenate((self.boxes.centre_m[:, :2], still)),
            np.concatenate((self.velocity_mps, still)),
            np.append(self.yaw_rate_radps, 0.0),
            np.append(self.inverse_mass, 0.0),
            np.append(self.inverse_inertia, 0.0),
        )

    def write_back(self, tables: Sequence[BodyTable], motion: Motion) -> None:
        """Hand each table the changes of its rows."""
        shift = motion.position_m[:-1] - self.boxes.centre_m[:, :2]
        change = motion.velocity_mps[:-1] - self.velocity_mps
        spin = motion.yaw_rate_radps[:-1] - self.yaw_rate_radps
        touched = (shift != 0.0).any(axis=1) | (change != 0.0).any(axis=1)
        start = 0
        for table in tables:
            rows = np.flatnonzero(touched[start : start + len(table)])
            if len(rows):
                table.receive(rows, shift[start + rows], change[start + rows], spin[start + rows])
            start += len(table)


def _gather(tables: Sequence[BodyTable]) -> _Scene:
    def column(name: str) -> NDArray[Any]:
        return np.concatenate([table.state[name] for table in tables])

    centre = column("position_m")
    centre[:, 2] += column("centre_z_m")
    half, yaw = column("half_extent_m"), column("yaw_rad")
    velocity = column("velocity_mps")[:, :2]
    physics = column("physics")
    spin = column("yaw_rate_radps")
    moves = (np.abs(velocity) > MOVING_MPS).any(axis=1) | (np.abs(spin) > MOVING_MPS)
    return _Scene(
        column("actor_id"),
        Boxes(centre, half, np.stack((np.cos(yaw), np.sin(yaw)), axis=1)),
        np.hypot(half[:, 0], half[:, 1]),
        velocity,
        spin,
        np.where(physics, 1.0 / column("mass_kg"), 0.0),
        np.where(physics, 1.0 / column("yaw_inertia_kgm2"), 0.0),
        column("collides"),
        moves,
    )


def _touches(
    boxes: Boxes, a: Ints, others: Boxes, b: Ints, velocity_mps: Floats, fixed: bool = False
) -> Touches:
    closing = velocity_mps[a] - (0.0 if fixed else velocity_mps[b])
    return find_touches(boxes.take(a), others.take(b), closing)


def _records(
    scene: _Scene,
    first: Ints,
    second: Ints,
    tags: Ints,
    among: Touches,
    walls: Touches,
    impulse: Floats,
) -> list[Contact]:
    ids = np.append(scene.actor_id, 0)
    normals = np.concatenate((among.normal, walls.normal)).tolist()
    depths = np.concatenate((among.depth_m, walls.depth_m)).tolist()
    points = np.concatenate((among.point_m, walls.point_m)).tolist()
    return [
        Contact(
            int(ids[first[index]]),
            int(ids[second[index]]),
            int(tags[index]),
            (normals[index][0], normals[index][1]),
            depths[index],
            (points[index][0], points[index][1]),
            float(impulse[index]),
        )
        for index in np.flatnonzero(impulse > MIN_IMPULSE_NS).tolist()
    ]
