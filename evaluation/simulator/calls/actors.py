"""Calls that create, move and destroy actors of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evaluation.simulator.calls.call import Call, accepted
from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import (
    BoundingBox,
    Transform,
    Vector3D,
    WalkerControl,
    integer,
    sequence,
)
from evaluation.simulator.world.actor import Actor


def actor_of(simulator: Simulator, arguments: Sequence[Any]) -> Actor:
    """Return the living actor whose id is the first argument."""
    return simulator.world.actor(integer("actor id", arguments[0]))


def get_spectator(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> Any:
    """Return the spectator."""
    return simulator.world.spectator.record()


def get_actors_by_id(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return those of the actors that are alive."""
    actors = simulator.world.actors
    wanted = [integer("actor id", key) for key in sequence("actor ids", arguments[0])]
    return [actors[key].record() for key in wanted if key in actors]


def spawn_actor(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Create an actor in the world."""
    description = Description.from_wire(arguments[0])
    return simulator.spawn(description, Transform.from_wire(arguments[1])).record()


def spawn_actor_with_parent(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Create an actor that is rigidly fixed to another one."""
    description = Description.from_wire(arguments[0])
    transform = Transform.from_wire(arguments[1])
    return simulator.spawn(description, transform, integer("parent id", arguments[2])).record()


def destroy_actor(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> bool:
    """Remove an actor; false where there is none."""
    return simulator.destroy(integer("actor id", arguments[0]))


def get_actor_bounding_box(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return an actor's box; an empty one for an actor that has just been destroyed."""
    actor = simulator.world.actors.get(integer("actor id", arguments[0]))
    return BoundingBox() if actor is None else actor.bounding_box


def set_actor_transform(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Teleport an actor; relative to its parent where it has one."""
    transform = Transform.from_wire(arguments[1])
    simulator.world.set_transform(actor_of(simulator, arguments), transform)


def set_actor_location(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Teleport an actor without turning it."""
    location = Vector3D.location_from_wire(arguments[1])
    simulator.world.set_location(actor_of(simulator, arguments), location)


def apply_control_to_walker(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> None:
    """Tell a walker where to go."""
    control = WalkerControl.from_wire(arguments[1])
    simulator.world.apply_walker_control(actor_of(simulator, arguments), control)


CALLS = {
    "get_spectator": Call(get_spectator, Reply.VALUE),
    "get_actors_by_id": Call(get_actors_by_id, Reply.VALUE, 1),
    "spawn_actor": Call(spawn_actor, Reply.VALUE, 2),
    "spawn_actor_with_parent": Call(spawn_actor_with_parent, Reply.VALUE, 3),
    "destroy_actor": Call(destroy_actor, Reply.VALUE, 1),
    "get_actor_bounding_box": Call(get_actor_bounding_box, Reply.VALUE, 1, tells=False),
    "set_actor_transform": Call(set_actor_transform, Reply.VOID, 2),
    "set_actor_location": Call(set_actor_location, Reply.VOID, 2),
    "set_actor_dead": accepted(Reply.VOID),
    "apply_control_to_walker": Call(apply_control_to_walker, Reply.VOID, 2),
}
