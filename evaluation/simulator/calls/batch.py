"""`apply_batch`: many commands in one call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from evaluation.simulator.calls import actors, motion, traffic_lights, vehicles
from evaluation.simulator.calls.call import Call, Function, accept
from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.wire.actor_records import Command, CommandKind, SpawnCommand
from evaluation.simulator.wire.codec import (
    Transform,
    WalkerControl,
    WireError,
    flag,
    integer,
    real,
    sequence,
)
from evaluation.simulator.wire.errors import CallError

logger = logging.getLogger(__name__)


def apply_batch(simulator: Simulator, caller: Caller, arguments: Sequence[Any]) -> list[Any]:
    """Run all commands; one that fails does not stop the others.

    Returns one `[[1, actor id]]` or `[[0, [message]]]` for each.
    """
    results = [_run(simulator, caller, item) for item in sequence("commands", arguments[0])]
    if len(arguments) > 1 and flag("do_tick", arguments[1]):
        simulator.tick()
    return results


def _run(simulator: Simulator, caller: Caller, item: object) -> object:
    try:
        command = Command.from_wire(item)
        if command.kind is CommandKind.SPAWN_ACTOR:
            actor_id = _spawn(simulator, caller, command.fields)
        else:
            actor_id = _apply(simulator, caller, command)
    except (CallError, WireError) as error:
        logger.info("%s: command refused: %s", caller.peer, error)
        return Reply.VALUE.failure(str(error))
    return Reply.VALUE.success(actor_id)


def _spawn(simulator: Simulator, caller: Caller, fields: Sequence[Any]) -> int:
    """Create an actor and do to it what the command says shall follow."""
    command = SpawnCommand.from_wire(fields, simulator.dialect)
    actor = simulator.spawn(command.description, command.transform, command.parent_id)
    for follower in command.do_after:
        if follower.kind is CommandKind.SPAWN_ACTOR:
            raise CallError("SpawnActor cannot follow another SpawnActor")
        aimed = follower._replace(fields=(actor.actor_id, *follower.fields[1:]))
        _apply(simulator, caller, aimed)
    return actor.actor_id


def _apply(simulator: Simulator, caller: Caller, command: Command) -> int:
    """Run any command but SpawnActor; return the id of the actor that it is about."""
    kind, fields = command
    if kind is CommandKind.CONSOLE_COMMAND:
        return 0
    least = 1 if kind is CommandKind.DESTROY_ACTOR else 2
    if len(fields) < least:
        raise WireError(f"Command.{kind.name}: expected {least} fields, got {len(fields)}")
    actor_id = integer("Command.actor", fields[0])
    if _FUNCTIONS[kind](simulator, caller, fields) is False:
        raise CallError(f"unable to destroy actor {actor_id}: not found")
    return actor_id


def _apply_walker_state(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Put a walker somewhere and let it walk the way it looks."""
    transform = Transform.from_wire(arguments[1])
    speed_mps = real("ApplyWalkerState.speed", arguments[2]) if len(arguments) > 2 else 0.0
    actor = actors.actor_of(simulator, arguments)
    simulator.world.set_transform(actor, transform)
    heading = simulator.world.heading(actor)
    simulator.world.apply_walker_control(actor, WalkerControl(heading, speed_mps))


_FUNCTIONS: dict[CommandKind, Function | Callable[..., Any]] = {
    CommandKind.DESTROY_ACTOR: actors.destroy_actor,
    CommandKind.APPLY_VEHICLE_CONTROL: vehicles.apply_control,
    CommandKind.APPLY_ACKERMANN_CONTROL: vehicles.control_ackermann,
    CommandKind.APPLY_WALKER_CONTROL: actors.apply_control_to_walker,
    CommandKind.APPLY_VEHICLE_PHYSICS: vehicles.apply_physics_control,
    CommandKind.APPLY_TRANSFORM: actors.set_actor_transform,
    CommandKind.APPLY_WALKER_STATE: _apply_walker_state,
    CommandKind.APPLY_TARGET_VELOCITY: motion.set_target_velocity,
    CommandKind.APPLY_TARGET_ANGULAR_VELOCITY: motion.set_target_angular_velocity,
    CommandKind.APPLY_IMPULSE: motion.add_impulse,
    CommandKind.APPLY_FORCE: motion.add_force,
    CommandKind.APPLY_ANGULAR_IMPULSE: motion.add_angular_impulse,
    CommandKind.APPLY_TORQUE: motion.add_torque,
    CommandKind.SET_SIMULATE_PHYSICS: motion.set_simulate_physics,
    CommandKind.SET_ENABLE_GRAVITY: motion.set_enable_gravity,
    CommandKind.SET_AUTOPILOT: accept,
    CommandKind.SHOW_DEBUG_TELEMETRY: accept,
    CommandKind.SET_VEHICLE_LIGHT_STATE: vehicles.set_light_state,
    CommandKind.APPLY_LOCATION: actors.set_actor_location,
    CommandKind.SET_TRAFFIC_LIGHT_STATE: traffic_lights.set_state,
}

CALLS = {"apply_batch": Call(apply_batch, Reply.BARE, 1, tells=False)}
