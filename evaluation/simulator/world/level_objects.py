"""The things that stand in a town, as `get_level_bbs` and `get_environment_objects` list them."""

from __future__ import annotations

import math
from typing import NamedTuple

from evaluation.simulator.town.scenery import LAMP_HOUSING_HALF_EXTENT_M
from evaluation.simulator.town.town import Town
from evaluation.simulator.wire.codec import (
    BoundingBox,
    Rotation,
    Transform,
    Vector3D,
    integer,
)
from evaluation.simulator.world.world import World

ANY_TAG = 255
_TRAFFIC_LIGHT_TAG = 7
_NAMES = {3: "Building", 6: "Pole", 9: "Tree"}


class EnvironmentObject(NamedTuple):
    """One thing of the town: where it is, its box in the world, a number, a name, its tag."""

    transform: Transform
    bounding_box: BoundingBox
    object_id: int
    name: str
    tag: int


def row_of(object_id: object) -> int:
    """The row in `Scenery.static_boxes()` of the thing that clients know by this number."""
    return integer("environment object", object_id) - 1


def environment_objects(world: World, tag: int) -> list[EnvironmentObject]:
    """Return the buildings, poles and trees with this semantic tag (`ANY_TAG`: all), hidden ones
    too, but none of an unloaded layer."""
    static = world.town.scenery.static_boxes()
    kinds = static.semantic_tag.tolist()
    found = []
    for index in world.presence.listed_rows():
        kind = kinds[index]
        if tag in (ANY_TAG, kind):
            rotation = Rotation(0.0, math.degrees(float(static.yaw_rad[index])), 0.0)
            centre = Vector3D(*static.centre[index].tolist())
            extent = Vector3D(*static.half_extent[index].tolist())
            foot = centre._replace(z=centre.z - extent.z)
            box = BoundingBox(centre, extent, rotation)
            name = f"{_NAMES.get(kind, 'Object')}_{index}"
            found.append(EnvironmentObject(Transform(foot, rotation), box, index + 1, name, kind))
    return found


def light_boxes(town: Town, index: int, actor_id: int = 0) -> list[BoundingBox]:
    """Return the boxes (world) around the housings of one traffic light."""
    spec = town.traffic_lights[index]
    rotation = Rotation(0.0, math.degrees(spec.facing_yaw_rad), 0.0)
    extent = Vector3D(*LAMP_HOUSING_HALF_EXTENT_M)
    return [BoundingBox(place, extent, rotation, actor_id) for place in spec.lamp_locations]


def level_boxes(world: World, tag: int) -> list[BoundingBox]:
    """Return the boxes of everything in the town with this semantic tag (`ANY_TAG`: all)."""
    boxes = [item.bounding_box for item in environment_objects(world, tag)]
    if tag in (ANY_TAG, _TRAFFIC_LIGHT_TAG):
        for index in range(len(world.town.traffic_lights)):
            boxes += light_boxes(world.town, index)
    return boxes
