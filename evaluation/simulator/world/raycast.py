"""Rays through the world: what they meet of the ground, of buildings and of other bodies."""

from __future__ import annotations

from collections.abc import Sequence

import carla
import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.physics import exact
from evaluation.simulator.physics.pose import Floats
from evaluation.simulator.town.shown import MapLayer
from evaluation.simulator.wire.codec import Vector3D
from evaluation.simulator.world.ray_targets import LabelledPoint, Targets
from evaluation.simulator.world.world import World

_GROUND_STEP_M = 0.25
_MAX_GROUND_SAMPLES = 4096
_LANE_TAGS = {carla.LaneType.Driving: 1, carla.LaneType.Sidewalk: 2}
_ROAD_TAG, _TERRAIN_TAG = 1, 10


def cast_ray(world: World, start: Vector3D, end: Vector3D) -> list[LabelledPoint]:
    """Return what lies on the way from `start` to `end` (world, m), nearest first."""
    origin, target = np.array(start), np.array(end)
    low, high = np.minimum(origin, target), np.maximum(origin, target)
    targets, shown = world.ray_targets, world.presence.shown
    near = targets.bodies_near(
        low, high, world.table, world.actors, world.attached_boxes(), world.membership
    )
    known = targets.recall((start, end), near, shown)
    if known is not None:
        return known
    static = targets.static_near(low, high, None if shown is None else shown.boxes)
    points = _meet(world, origin, target - origin, (static, targets.boxes_of(near)))
    targets.remember((start, end), near, shown, points)
    return points


def _meet(
    world: World, origin: Floats, way: Floats, boxes: Sequence[Targets]
) -> list[LabelledPoint]:
    shares, labels = _box_hits(origin, way, boxes)
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


def _box_hits(
    origin: Floats, way: Floats, boxes: Sequence[Targets]
) -> tuple[Floats, NDArray[np.int64]]:
    """Return the shares of the way (n,) at which it enters boxes, and their tags (n,)."""
    near = Targets(*(np.concatenate(parts) for parts in zip(*boxes, strict=True)))
    box_from_world = near.world_from_box.transpose(0, 2, 1)
    shares = slab_entries(
        exact.transform_each(box_from_world, origin - near.centre),
        exact.transform_each(box_from_world, way[None]),
        near.half_extent,
    )
    hit = np.isfinite(shares)
    return shares[hit], near.tags[hit]


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
