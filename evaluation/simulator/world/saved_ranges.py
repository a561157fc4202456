"""Whether a world that was read from bytes is one that the simulator can have been in.

The types were held when it was decoded. Here are the ranges: those that the calls allow, and what
the parts of a world tell of one another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import radians
from typing import Any

import numpy as np

from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.physics.bodies import BodyTable
from evaluation.simulator.town.shown import MapLayer
from evaluation.simulator.wire.codec import (
    MAX_INTEGER,
    MAX_LOCATION_M,
    MAX_NUMBER,
    MAX_RATE_DPS,
    MAX_SPEED_MPS,
)
from evaluation.simulator.wire.state_codec import StateError
from evaluation.simulator.world.doors import DOOR_COUNT
from evaluation.simulator.world.street_lights import MOST_LUMEN, Lamp
from evaluation.simulator.world.traffic_lights import STAGE_COUNT, LightState
from evaluation.simulator.world.world import World

_MAX_RATE_RADPS = radians(MAX_RATE_DPS)
_GREATEST: Mapping[str, float] = {
    "position_m": MAX_LOCATION_M,
    "velocity_mps": MAX_SPEED_MPS,
    "velocity_before_mps": MAX_SPEED_MPS,
    "constant_velocity_mps": MAX_SPEED_MPS,
    "wanted_mps": MAX_SPEED_MPS,
    "yaw_rate_radps": _MAX_RATE_RADPS,
    "pitch_rate_radps": _MAX_RATE_RADPS,
    "roll_rate_radps": _MAX_RATE_RADPS,
    "pedals": 1.0,
    "wanted_pedals": 1.0,
    # Neutral and the last gear shift up at no speed; new bodies have their ground measured nowhere.
    "up_radps": math.inf,
    "ground_m": math.inf,
}
"""Of the fields of bodies, in amount; others are held to MAX_NUMBER."""
_POSITIVE = ("mass_kg", "yaw_inertia_kgm2", "half_extent_m")
_KINDS: Mapping[str, tuple[ActorKind, ...]] = {
    "fleet": (ActorKind.VEHICLE,),
    "crowd": (ActorKind.WALKER,),
    "props": (ActorKind.PROP,),
}


def require_sound(world: World) -> None:
    """Raises StateError with the first thing that cannot be."""
    _check_clock(world)
    _check_actors(world)
    for part, kinds in _KINDS.items():
        _check_bodies(world, part, kinds)
    _check_lights(world)
    _check_street_lights(world)
    _check_presence(world)
    _check_doors(world)
    for part in ("settings", "weather"):
        for name, value in _numbers(getattr(world, part), part):
            _hold(math.isfinite(value) and abs(value) <= MAX_NUMBER, f"{name} is {value}")
    _hold(math.isfinite(world.imu_gravity_mps2), "the inertial units' gravity is not finite")


def _check_clock(world: World) -> None:
    for name in ("seed", "episode_id", "first_actor_id", "frame", "_next_id"):
        value = getattr(world, name)
        whole = type(value) is int and abs(value) <= MAX_INTEGER
        _hold(whole and (value >= 0 or name == "seed"), f"{name} is {value!r}")
    for name in ("elapsed_s", "delta_s"):
        value = getattr(world, name)
        _hold(type(value) in (int, float) and 0.0 <= value <= MAX_NUMBER, f"{name} is {value!r}")


def _check_actors(world: World) -> None:
    # The town's own come first.
    fixtures = 1 + len(world.town.traffic_lights) + len(world.town.traffic_signs)
    rows = [actor.row for actor in world._rows]
    _hold(rows == list(range(world.table.count)), "actors and rows of the table do not match")
    for actor in world._rows[fixtures:]:
        who = f"actor {actor.actor_id}"
        _hold(world.first_actor_id <= actor.actor_id < world._next_id, f"{who}: not given out yet")
        parent = not actor.parent_id or actor.parent_id in world.actors
        _hold(parent and actor.parent_id != actor.actor_id, f"{who}: without its parent")
        _hold(0 <= actor.semantic_tag <= 255, f"{who}: tag {actor.semantic_tag}")
        for name, value in _numbers((actor.relative, actor.bounding_box, actor.pose), who):
            _hold(math.isfinite(value) and abs(value) <= MAX_NUMBER, f"{name} is {value}")
    placed = world.table._kinematics[: world.table.count]
    _hold(bool((np.abs(placed) <= MAX_NUMBER).all()), "a pose is not finite")


def _check_bodies(world: World, part: str, kinds: tuple[ActorKind, ...]) -> None:
    table: BodyTable = getattr(world, part)
    shaped = isinstance(table.state, np.ndarray) and table.state.shape == (len(table),)
    _hold(shaped and table.state.dtype == table.dtype, f"{part}: another table of bodies")
    ids = table.state["actor_id"].tolist()
    _hold(table._rows == {actor_id: row for row, actor_id in enumerate(ids)}, f"{part}: rows")
    for actor_id in ids:
        known = actor_id in world.actors and world.actors[actor_id].kind in kinds
        _hold(known, f"{part}: a body of actor {actor_id}, which is not one of them")
    _hold(0.0 <= table._last_step_s <= MAX_NUMBER, f"{part}: last step of {table._last_step_s} s")
    for name in table.dtype.names or ():
        values = table.state[name]
        if values.dtype.kind == "f":
            # Comparisons with NaN are false: what is not finite is refused as well.
            within = np.abs(values) <= _GREATEST.get(name, MAX_NUMBER)
            _hold(bool(within.all()), f"{part}: {name} out of range")
        if name in _POSITIVE:
            _hold(bool((values > 0.0).all()), f"{part}: {name} not positive")
    if part == "fleet":
        _hold(
            len(world.fleet._specs) == len(table), "fleet: vehicles without what they are made of"
        )


def _check_lights(world: World) -> None:
    lights, count = world.lights, len(world.town.traffic_lights)
    junctions = len(lights._group_count)
    shapes = {
        "times_s": (count, 3),
        "states": (count,),
        "elapsed_s": (count,),
        "frozen": (count,),
        "_turn": (junctions,),
        "_stage": (junctions,),
        "_stage_elapsed_s": (junctions,),
    }
    for name, shape in shapes.items():
        values = getattr(lights, name)
        _hold(isinstance(values, np.ndarray) and values.shape == shape, f"lights: {name}")
        _hold(bool(((values >= 0) & (values <= MAX_NUMBER)).all()), f"lights: {name} out of range")
    _hold(bool((lights.states <= max(LightState)).all()), "lights: an unknown state")
    _hold(bool((lights._stage < STAGE_COUNT).all()), "lights: an unknown stage")
    _hold(bool((lights._turn < np.maximum(lights._group_count, 1)).all()), "lights: nobody's turn")


def _check_street_lights(world: World) -> None:
    lights, count = world.street_lights, len(world.town.scenery.street_lamps.height_m)
    for number, lamp in lights._told.items():
        _hold(type(number) is int and 0 <= number < count, f"street lights: no lamp {number!r}")
        sound = isinstance(lamp, Lamp) and len(lamp.rgb) == 3
        _hold(sound and 0.0 <= lamp.lumen <= MOST_LUMEN, f"street lights: lamp {number} is {lamp}")
        _hold(all(0 <= part <= 255 for part in lamp.rgb), f"street lights: colour of {number}")


def _check_presence(world: World) -> None:
    presence = world.presence
    _hold(type(presence.has_layers) is bool, "whether the town has layers")
    loaded = presence._loaded
    within = type(loaded) is int and 0 <= loaded <= MapLayer.ALL
    _hold(within and (presence.has_layers or loaded == MapLayer.ALL), f"layers: {loaded!r}")
    _hold(isinstance(presence._hidden, set), "hidden things")
    listed = set(presence.listed_rows())
    _hold(
        all(type(row) is int and row in listed for row in presence._hidden),
        "a hidden thing that this town has not",
    )


def _check_doors(world: World) -> None:
    for actor_id, doors in world.doors._open.items():
        known = actor_id in world.actors and world.actors[actor_id].is_vehicle
        _hold(known, f"doors: open ones of {actor_id!r}, which is no vehicle")
        sound = isinstance(doors, list) and all(door in range(DOOR_COUNT) for door in doors)
        _hold(sound, f"doors: {doors!r} of vehicle {actor_id}")


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    """All numbers in a record, with the names of where they are."""
    if isinstance(value, Enum | str | bytes | bool) or value is None:
        return
    if isinstance(value, int | float):
        yield name, value
    elif hasattr(value, "_fields"):
        for field in value._fields:
            yield from _numbers(getattr(value, field), f"{name}: {field}")
    elif is_dataclass(value):
        for one in fields(value):
            yield from _numbers(getattr(value, one.name), f"{name}: {one.name}")
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _numbers(one, name)


def _hold(holds: bool, what: str) -> None:
    if not holds:
        raise StateError(f"a damaged state: {what}")
