"""Calls about what stands around: boxes, rays, street lamps, debug shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.simulator.calls.call import Call, accepted
from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.town.shown import MapLayer
from evaluation.simulator.wire.codec import MAX_LOCATION_M, Vector3D, flag, integer, real, sequence
from evaluation.simulator.world.level_objects import (
    ANY_TAG,
    environment_objects,
    level_boxes,
    row_of,
)
from evaluation.simulator.world.ray_targets import LabelledPoint
from evaluation.simulator.world.raycast import cast_ray


def get_level_boxes(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return the boxes of everything with a semantic tag."""
    return level_boxes(simulator.world, integer("tag", arguments[0]))


def get_environment(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return the buildings, poles and trees with a semantic tag."""
    return environment_objects(simulator.world, integer("tag", arguments[0]))


def show_environment(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Show or hide buildings, trees, and poles with what hangs on them; ids of no thing are passed
    over."""
    rows = [row_of(item) for item in sequence("environment objects", arguments[0])]
    simulator.world.enable_objects(rows, enabled=flag("enable", arguments[1]))


def cast(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> list[LabelledPoint]:
    """Return everything that lies between two places."""
    start = Vector3D.location_from_wire(arguments[0])
    end = Vector3D.location_from_wire(arguments[1])
    return cast_ray(simulator.world, start, end)


def project_point(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return (whether something was met, what was met first) in a direction."""
    start = Vector3D.location_from_wire(arguments[0])
    direction = np.array(Vector3D.from_wire(arguments[1]))
    length = float(np.linalg.norm(direction))
    distance_m = real("distance", arguments[2], 0.0, MAX_LOCATION_M)
    way = direction * (distance_m / length) if length > 0.0 else direction
    met = cast_ray(simulator.world, start, Vector3D(*(way + start).tolist()))
    return (True, met[0]) if met else (False, LabelledPoint(Vector3D(), 0))


def draw_shape(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Draw lines, points, arrows or a box that colour cameras see, for a time."""
    world = simulator.world
    world.debug_shapes.draw(arguments[0], world.frame, world.elapsed_s)


def clear_shapes(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> None:
    """Take everything away that was drawn."""
    simulator.world.debug_shapes.clear()


def get_street_lights(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> Any:
    """Return the street lamps: place, colour, and whether they burn."""
    world = simulator.world
    loaded = world.presence.is_loaded(MapLayer.STREET_LIGHTS)
    return world.street_lights.records() if loaded else []


def update_street_lights(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Switch and colour street lamps, until day turns to night or night to day."""
    simulator.world.street_lights.tell(arguments[1])


def names_of_objects(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> list[str]:
    """Return the names of the buildings, poles and trees, as `get_environment_objects` has them."""
    return [item.name for item in environment_objects(simulator.world, ANY_TAG)]


CALLS = {
    "get_names_of_all_objects": Call(names_of_objects, Reply.VALUE),
    "get_all_level_BBs": Call(get_level_boxes, Reply.VALUE, 1),
    "get_environment_objects": Call(get_environment, Reply.VALUE, 1),
    "enable_environment_objects": Call(show_environment, Reply.VOID, 2),
    "project_point": Call(project_point, Reply.VALUE, 3),
    "cast_ray": Call(cast, Reply.VALUE, 2),
    "query_lights_state": Call(get_street_lights, Reply.VALUE, 1),
    "update_lights_state": Call(update_street_lights, Reply.VOID, 2),
    "draw_debug_shape": Call(draw_shape, Reply.VOID, 1),
    "clear_debug_shape": Call(clear_shapes, Reply.VOID),
    "clear_debug_string": accepted(Reply.VOID),
}
