"""Calls about the named parts of actors: components and sockets.

The components of walkers and vehicles have the names that Unreal's classes give them. Of what
CARLA's vehicles are put together from only the blinkers are there, named as CARLA's example
`get_component_test.py` names one. Sockets are the bones: so Unreal lists those of a mesh. Other
actors have neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evaluation.simulator.calls.actors import actor_of
from evaluation.simulator.calls.bones import bones_of
from evaluation.simulator.calls.call import Call
from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.physics.pose import place, relative_to
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D, describe, text
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.skeleton import PosedBone

_LAMP_SIDE_SHARE = 0.86
"""Where blinkers are across half the body's width, as cameras see them."""
_LAMP_HEIGHT_SHARE = 0.5
_BACKWARD = Rotation(yaw=180.0)


def _blinkers(actor: Actor) -> dict[str, Transform]:
    """Return the four blinkers of a vehicle in its axes, looking out of it."""
    half = actor.bounding_box.extent
    middle = actor.bounding_box.location
    height_m = middle.z + (2.0 * _LAMP_HEIGHT_SHARE - 1.0) * half.z
    return {
        f"{end}-blinker-{side}-1": Transform(
            Vector3D(
                middle.x + along * half.x, middle.y + across * _LAMP_SIDE_SHARE * half.y, height_m
            ),
            rotation,
        )
        for end, along, rotation in (("front", 1.0, Rotation()), ("back", -1.0, _BACKWARD))
        for side, across in (("l", -1.0), ("r", 1.0))
    }


def _components(actor: Actor) -> dict[str, Transform]:
    """Return the components of an actor by name, in its axes."""
    if actor.kind is ActorKind.WALKER:
        feet = Transform(Vector3D(0.0, 0.0, -actor.bounding_box.extent.z))
        return {"CollisionCylinder": Transform(), "CharacterMesh0": feet}
    if actor.is_vehicle:
        return {"VehicleMesh": Transform(), **_blinkers(actor)}
    return {}


def _component(simulator: Simulator, arguments: Sequence[Any]) -> tuple[Actor, Transform]:
    actor = actor_of(simulator, arguments)
    name = text("component", arguments[1])
    components = _components(actor)
    if name not in components:
        known = ", ".join(components) or "none"
        raise CallError(
            f"actor {actor.actor_id} has no component {describe(name)}; it has: {known}"
        )
    return actor, components[name]


def component_names(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> list[str]:
    """Return the names of an actor's components: the root first."""
    return list(_components(actor_of(simulator, arguments)))


def component_in_world(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> Transform:
    """Return where a component is in the world."""
    actor, component = _component(simulator, arguments)
    return place(simulator.world.transform(actor), component)


def component_in_parent(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> Transform:
    """Return where a component is in the actor's axes; the root, as in Unreal, in the world."""
    actor, component = _component(simulator, arguments)
    is_root = component == Transform()
    return simulator.world.transform(actor) if is_root else component


def _sockets(simulator: Simulator, arguments: Sequence[Any]) -> list[PosedBone]:
    actor = actor_of(simulator, arguments)
    has_bones = actor.kind is ActorKind.WALKER or actor.is_vehicle
    return bones_of(simulator, actor) if has_bones else []


def socket_names(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> list[str]:
    """Return the names of the sockets of an actor: its bones."""
    return [bone.name for bone in _sockets(simulator, arguments)]


def sockets_in_world(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> list[Transform]:
    """Return where the sockets of an actor are in the world."""
    return [bone.world for bone in _sockets(simulator, arguments)]


def sockets_in_actor(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> list[Transform]:
    """Return where the sockets of an actor are in its axes."""
    here = simulator.world.transform(actor_of(simulator, arguments))
    return [relative_to(here, bone.world) for bone in _sockets(simulator, arguments)]


CALLS = {
    "get_actor_component_names": Call(component_names, Reply.VALUE, 1),
    "get_actor_component_world_transform": Call(component_in_world, Reply.VALUE, 2),
    "get_actor_component_relative_transform": Call(component_in_parent, Reply.VALUE, 2),
    "get_actor_socket_names": Call(socket_names, Reply.VALUE, 1),
    "get_actor_socket_world_transforms": Call(sockets_in_world, Reply.VALUE, 1),
    "get_actor_socket_relative_transforms": Call(sockets_in_actor, Reply.VALUE, 1),
}
