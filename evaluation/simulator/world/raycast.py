"""Rays through the world: what they meet of the ground, of buildings and of other bodies."""

from __future__ import annotations

from typing import NamedTuple

import carla
import numpy as np

from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.physics.pose import Floats, rotation_matrices
from evaluation.simulator.town.shown import MapLayer
from evaluation.simulator.wire.codec import Vector3D
from evaluation.simulator.world.world import World

_GROUND_STEP_M = 0.25
_MAX_GROUND_SAMPLES = 4096
_LANE_TAGS = {carla.LaneType.Driving: 1, carla.LaneType.Sidewalk: 2}
_ROAD_TAG, _TERRAIN_TAG = 1, 10
_BODIES = (ActorKind.VEHICLE, ActorKind.WALKER, ActorKind.PROP)


class LabelledPoint(NamedTuple):
    """Where a ray met something, and the semantic tag of what it met."""

    location: Vector3D
    label: int


def cast_ray(world: World, start: Vector3D, end: Vector3D) -> list[LabelledPoint]:
    """Return what lies on the way from `start` to `end` (world, m), nearest first."""
    origin, target = np.array(start), np.array(end)
    way = target - origin
    shares, labels = _box_hits(world, origin, way)
    ground = _ground_share(world, origin, way)
    if ground is not None:
        point = origin + ground * way
        label = _ground_label(world, Vector3D(*point.tolist()))
        if label != _TERRAIN_TAG or world.presence.is_loaded(MapLayer.GROUND):
            shares = np.append(shares, ground)
            labels = np.append(labels, label)
    order = np.argsort(shares, kind="stable")
    points = origin + shares[order, None] * way
    return [
        LabelledPoint(Vector3D(*point), label)
        for point, label in zip(points.tolist(), labels[order].tolist(), strict=True)
    ]


def _box_hits(world: World, origin: Floats, way: Floats) -> tuple[Floats, np.ndarray]:
    """Return the shares of the way (n,) at which it enters boxes, and their tags (n,)."""
    static = world.town.scenery.static_boxes()
    shown = world.presence.shown
    if shown is not None:
        static = static.only(shown.boxes)
    upright = np.zeros((len(static.yaw_rad), 3))
    upright[:, 1] = np.degrees(static.yaw_rad)
    actors = [actor for actor in world.actors.values() if actor.kind in _BODIES]
    rows = [actor.row for actor in actors]
    boxes = [actor.bounding_box for actor in actors]
    offset = np.array([box.location for box in boxes]).reshape(-1, 3)
    extent = np.array([box.extent for box in boxes]).reshape(-1, 3)
    doors = world.attached_boxes()
    owners = [world.actors[actor_id] for actor_id in doors.actor_id.tolist()]
    actors += owners
    rows += [actor.row for actor in owners]
    offset = np.concatenate([offset, doors.centre_m])
    world_from_actor = rotation_matrices(world.table.rotation_deg[rows])
    turned = np.einsum("nij,nj->ni", world_from_actor, offset)
    centre = np.concatenate([static.centre, world.table.location[rows] + turned])
    half = np.concatenate([static.half_extent, extent, doors.half_m])
    turn = np.zeros((len(rows), 3))
    turn[len(boxes) :, 1] = np.degrees(doors.yaw_rad)
    world_from_box = np.concatenate(
        [rotation_matrices(upright), world_from_actor @ rotation_matrices(turn)]
    )
    box_from_world = world_from_box.transpose(0, 2, 1)
    tags = np.concatenate([static.semantic_tag, [actor.semantic_tag for actor in actors]])
    shares = slab_entries(
        np.einsum("nij,nj->ni", box_from_world, origin - centre), box_from_world @ way, half
    )
    hit = np.isfinite(shares)
    return shares[hit], tags[hit].astype(np.int64)


def slab_entries(origin: Floats, way: Floats, half_extent: Floats) -> Floats:
    """Return the share (n,) of each way at which it enters its box, infinity where it does not.

    `origin`, `way` and `half_extent` (n, 3) are in the axes of the boxes, from their centres. A way
    that starts inside a box does not enter it.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        low = (-half_extent - origin) / way
        high = (half_extent - origin) / way
    outside = (way == 0.0) & (np.abs(origin) > half_extent)
    near = np.where(way == 0.0, -np.inf, np.minimum(low, high)).max(axis=1)
    far = np.where(way == 0.0, np.inf, np.maximum(low, high)).min(axis=1)
    enters = (near <= far) & (near >= 0.0) & (near <= 1.0) & ~outside.any(axis=1)
    return np.where(enters, near, np.inf)


def _ground_share(world: World, origin: Floats, way: Floats) -> float | None:
    """Return the share of the way at which it goes below the ground, None if it does not."""
    length_m = float(np.linalg.norm(way[:2]))
    count = int(min(max(length_m / _GROUND_STEP_M, 1.0), _MAX_GROUND_SAMPLES)) + 1
    shares = np.linspace(0.0, 1.0, count)
    points = origin + shares[:, None] * way
    ground = world.town.ground_height_m(points[:, :2], points[:, 2])
    height = points[:, 2] - ground
    below = np.flatnonzero((height[1:] < 0.0) & (height[:-1] >= 0.0))
    if not len(below):
        return None
    index = int(below[0])
    above, under = height[index], height[index + 1]
    return float(shares[index] + (shares[index + 1] - shares[index]) * above / (above - under))


def _ground_label(world: World, location: Vector3D) -> int:
    waypoint = world.town.map.get_waypoint(
        carla.Location(*location), project_to_road=False, lane_type=carla.LaneType.Any
    )
    if waypoint is None:
        return _TERRAIN_TAG
    return _LANE_TAGS.get(waypoint.lane_type, _ROAD_TAG)
