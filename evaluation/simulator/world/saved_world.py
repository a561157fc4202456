"""The whole world in one value, and back: actors, physics, lights, weather, clock.

Restoring builds the world of the same town anew and then lays over it everything that a step or a
call can have changed. `SAVED` names it, attribute by attribute; `DERIVED` names what follows from
the town or from what is saved. A test holds both to the classes, so that nothing can be forgotten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.physics.vehicle import VehicleSpec
from evaluation.simulator.physics.vehicle.spec import Gear
from evaluation.simulator.wire.actor_records import AttributeValue, Description
from evaluation.simulator.wire.codec import (
    AckermannControl,
    AckermannGains,
    BoundingBox,
    Rotation,
    Transform,
    Vector3D,
    VehicleControl,
    WalkerControl,
    WeatherParameters,
)
from evaluation.simulator.wire.settings_records import (
    EpisodeSettings,
    GearPhysics,
    VehiclePhysics,
    WheelPhysics,
)
from evaluation.simulator.wire.state_codec import Classes, decode, encode
from evaluation.simulator.world.ackermann import AckermannDriver
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.debug_shapes import Stroke
from evaluation.simulator.world.friction import Trigger
from evaluation.simulator.world.skeleton import WalkerPose
from evaluation.simulator.world.street_lights import Lamp
from evaluation.simulator.world.world import World

CLASSES: Classes = {
    kind.__name__: kind
    for kind in (
        Actor,
        AckermannControl,
        AckermannDriver,
        AckermannGains,
        ActorKind,
        AttributeValue,
        BoundingBox,
        Description,
        EpisodeSettings,
        Gear,
        GearPhysics,
        Lamp,
        Rotation,
        Stroke,
        Transform,
        Trigger,
        Vector3D,
        VehicleControl,
        VehiclePhysics,
        VehicleSpec,
        WalkerControl,
        WalkerPose,
        WeatherParameters,
        WheelPhysics,
    )
}
_BODIES = ("state", "_rows", "_last_step_s")
_OF_BODIES = ("_yaw_rad", "_heading", "_store")
SAVED: Mapping[str, tuple[str, ...]] = {
    "": (
        "seed",
        "episode_id",
        "first_actor_id",
        "settings",
        "weather",
        "imu_gravity_mps2",
        "frame",
        "elapsed_s",
        "delta_s",
        "_fleeting",
        "_next_id",
    ),
    "fleet": (*_BODIES, "_specs", "_new_controls", "_ticks"),
    "crowd": _BODIES,
    "props": _BODIES,
    "ackermann": ("_drivers", "_gains"),
    "lights": (
        "times_s",
        "states",
        "elapsed_s",
        "frozen",
        "_all_frozen",
        "_turn",
        "_stage",
        "_stage_elapsed_s",
    ),
    "speed_limits": ("_actor_ids", "_limit_mps", "_wait_ticks"),
    "collisions": ("_pushed",),
    "friction": ("_triggers", "_before"),
    "doors": ("_open",),
    "debug_shapes": ("_strokes",),
    "street_lights": ("_told", "_dark", "_follows_sun"),
    "presence": ("has_layers", "_loaded", "_hidden"),
}
"""Attributes by the part of the world that has them; "" is the world itself."""
LAYOUT = hashlib.sha256(repr(SAVED).encode()).hexdigest()[:8]
"""Another one as soon as another attribute is saved."""
DERIVED: Mapping[str, tuple[str, ...]] = {
    "": (
        *("town", "blueprints", "spectator", "light_actors", "membership"),
        *("_rows_membership", "_body_rows", "ray_targets"),
        *("table", *(part for part in SAVED if part)),
        # Saved in a form of their own.
        *("actors", "_rows", "_children"),
    ),
    "fleet": ("_powertrain", "_chassis", *_OF_BODIES),
    "crowd": _OF_BODIES,
    "props": _OF_BODIES,
    "doors": ("_boxes",),
    "debug_shapes": ("_shown",),
    "street_lights": ("_lamps", "_shine_rgb", "_changed"),
    "lights": ("areas", "_approach", "_junction", "_group", "_group_count", "_leader"),
    "speed_limits": ("_town", "_areas", "_shown_mps", "_of_cell"),
    "collisions": ("_static", "_static_tag", "_grid", "_stands"),
    "presence": ("_scenery", "_inventory", "_shown"),
}


def save_world(world: World) -> Any:
    """The world as plain msgpack values; TypeError where something in it could not be restored."""
    parts = {
        part: {name: getattr(_part(world, part), name) for name in names}
        for part, names in SAVED.items()
    }
    return encode(
        {
            "parts": parts,
            "actors": [actor for actor in world.actors.values() if actor.row >= _fixtures(world)],
            "children": list(world._children),
            "table": world.table.rows_bytes(),
        },
        CLASSES,
    )


def first_actor_id(plain: Any) -> int:
    """The first actor's id in a saved world, with which the empty one is made."""
    return int(decode(plain, CLASSES)["parts"][""]["first_actor_id"])


def restore_world(plain: Any, empty: World) -> None:
    """Lays a saved world over one of the same town and first actor in which nothing is spawned.

    Raises StateError for what `save_world` has not written.
    """
    saved = decode(plain, CLASSES)
    for part, values in saved["parts"].items():
        for name in SAVED[part]:
            setattr(_part(empty, part), name, values[name])
    actors: list[Actor] = saved["actors"]
    empty.table.set_rows_bytes(*saved["table"])
    empty.actors.update({actor.actor_id: actor for actor in actors})
    empty._rows += sorted(actors, key=lambda actor: actor.row)
    empty._children = {actor_id: empty.actors[actor_id] for actor_id in saved["children"]}
    empty.membership += 1
    empty.street_lights.announce()
    empty.presence.review()
    empty.let_stand()
    empty.fleet.forget_tables()


def _part(world: World, part: str) -> Any:
    return getattr(world, part) if part else world


def _fixtures(world: World) -> int:
    """Rows of what belongs to the town: it comes first and stays."""
    return 1 + len(world.town.traffic_lights) + len(world.town.traffic_signs)
