"""Calls about vehicles: control, lights and physics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from evaluation.simulator.calls.actors import actor_of
from evaluation.simulator.calls.call import Call, accepted
from evaluation.simulator.calls.physics_control import keep_unsimulated, physics_of, spec_with
from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.physics.vehicle.telemetry import telemetry
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.wire.codec import (
    AckermannControl,
    AckermannGains,
    VehicleControl,
    integer,
    real,
    sequence,
)
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.wire.settings_records import VehiclePhysics
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.doors import ALL_DOORS

_FRONT_WHEELS = (0, 1)
_WHEELS = 4
"""Bicycles have four in CARLA as well."""


def vehicle_of(simulator: Simulator, arguments: Sequence[Any]) -> Actor:
    """Return the living vehicle whose id is the first argument."""
    actor = actor_of(simulator, arguments)
    if actor.kind is not ActorKind.VEHICLE:
        raise CallError(f"actor {actor.actor_id} is a {actor.type_id}, not a vehicle")
    return actor


def apply_control(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Hand a control to a vehicle."""
    control = VehicleControl.from_wire(arguments[1])
    simulator.world.apply_vehicle_control(vehicle_of(simulator, arguments), control)


def get_light_state(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return which of a vehicle's lights are on."""
    return (vehicle_of(simulator, arguments).light_flags,)


def set_light_state(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Switch a vehicle's lights; a batch sends the flags without their array."""
    state = arguments[1]
    flags = state if isinstance(state, int) else sequence("light state", state, at_least=1)[0]
    vehicle_of(simulator, arguments).light_flags = integer("light state", flags) & 0xFFFFFFFF


def get_all_light_states(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> Any:
    """Return [id, flags] of every vehicle."""
    actors = simulator.world.actors.values()
    return [(actor.actor_id, actor.light_flags) for actor in actors if actor.is_vehicle]


def get_physics_control(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return what a vehicle is made of."""
    world = simulator.world
    actor = vehicle_of(simulator, arguments)
    if actor.actor_id not in world.fleet:
        raise CallError(f"vehicle {actor.actor_id} is fixed to another actor and has no physics")
    shown = physics_of(world.fleet.spec(actor.actor_id), world.transform(actor))
    if actor.physics is None:
        return shown
    return keep_unsimulated(shown, actor.physics, world.friction.holds(actor.actor_id))


def apply_physics_control(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Rebuild a vehicle from what the client changed."""
    physics = VehiclePhysics.from_wire(arguments[1])
    actor = vehicle_of(simulator, arguments)
    fleet = simulator.world.fleet
    if actor.actor_id in fleet:
        try:
            spec = spec_with(fleet.spec(actor.actor_id), physics)
        except ValueError as error:
            raise CallError(str(error)) from error
        fleet.rebuild(actor.actor_id, spec)
        actor.physics = physics


def get_wheel_steer_angle(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> float:
    """Return how far a front wheel is turned, in degrees; rear wheels are never turned."""
    actor = vehicle_of(simulator, arguments)
    fleet = simulator.world.fleet
    if actor.actor_id not in fleet or integer("wheel", arguments[1]) not in _FRONT_WHEELS:
        return 0.0
    return math.degrees(float(fleet.state["wheel_angle_rad"][fleet.row(actor.actor_id)]))


def _wheel_of(simulator: Simulator, arguments: Sequence[Any]) -> tuple[int, int]:
    """Return the id of a vehicle with physics and the number of one of its wheels, 0 to 3."""
    actor = vehicle_of(simulator, arguments)
    wheel = integer("wheel", arguments[1])
    if actor.actor_id not in simulator.world.fleet:
        raise CallError(f"vehicle {actor.actor_id} is fixed to another actor and has no wheels")
    if not 0 <= wheel < _WHEELS:
        raise CallError(f"wheel {wheel}: expected 0 to {_WHEELS - 1}")
    return actor.actor_id, wheel


def get_wheel_pitch(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> float:
    """Return how far a wheel has rolled, in degrees: falling while the vehicle drives forward."""
    actor_id, wheel = _wheel_of(simulator, arguments)
    fleet = simulator.world.fleet
    return float(fleet.state["wheel_pitch_deg"][fleet.row(actor_id), wheel])


def set_wheel_pitch(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Turn a wheel of a vehicle without physics; no image shows it."""
    actor_id, wheel = _wheel_of(simulator, arguments)
    simulator.world.fleet.set_wheel_pitch(actor_id, wheel, real("angle", arguments[2]))


def get_telemetry(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return what engine and wheels of a vehicle do; both wheels of an axle tell the same."""
    world, actor = simulator.world, vehicle_of(simulator, arguments)
    if actor.actor_id not in world.fleet:
        raise CallError(f"vehicle {actor.actor_id} is fixed to another actor and has no physics")
    return telemetry(world.fleet, actor.actor_id, world.delta_s)


def open_door(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Open a door, or all: seen, met by rays and touched by others. Bonnet and boot stay shut."""
    simulator.world.set_door(vehicle_of(simulator, arguments), _door(arguments), True)


def close_door(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Shut a door, or all of them."""
    simulator.world.set_door(vehicle_of(simulator, arguments), _door(arguments), False)


def _door(arguments: Sequence[Any]) -> int:
    door = integer("door", arguments[1])
    if not 0 <= door <= ALL_DOORS:
        raise CallError(f"door: expected 0 to {ALL_DOORS} (carla.VehicleDoor), got {door}")
    return door


def control_ackermann(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Let a vehicle keep a steering angle, a speed and an acceleration from now on."""
    control = AckermannControl.from_wire(arguments[1])
    simulator.world.apply_ackermann_control(vehicle_of(simulator, arguments), control)


def get_ackermann_settings(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return the gains of a vehicle's Ackermann controller."""
    actor = vehicle_of(simulator, arguments)
    return simulator.world.ackermann.gains(actor.actor_id)


def apply_ackermann_settings(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> None:
    """Set the gains of a vehicle's Ackermann controller."""
    gains = AckermannGains.from_wire(arguments[1])
    simulator.world.ackermann.set_gains(vehicle_of(simulator, arguments).actor_id, gains)


CALLS = {
    "apply_control_to_vehicle": Call(apply_control, Reply.VOID, 2),
    "get_vehicle_light_state": Call(get_light_state, Reply.VALUE, 1),
    "set_vehicle_light_state": Call(set_light_state, Reply.VOID, 2),
    "get_vehicle_light_states": Call(get_all_light_states, Reply.VALUE, tells=False),
    "get_wheel_steer_angle": Call(get_wheel_steer_angle, Reply.VALUE, 2),
    "get_wheel_pitch_angle": Call(get_wheel_pitch, Reply.VALUE, 2),
    "set_wheel_pitch_angle": Call(set_wheel_pitch, Reply.VOID, 3),
    "get_telemetry_data": Call(get_telemetry, Reply.VALUE, 1),
    "get_physics_control": Call(get_physics_control, Reply.VALUE, 1),
    "apply_physics_control": Call(apply_physics_control, Reply.VOID, 2),
    "apply_ackermann_control_to_vehicle": Call(control_ackermann, Reply.VOID, 2),
    "get_ackermann_controller_settings": Call(get_ackermann_settings, Reply.VALUE, 1),
    "apply_ackermann_controller_settings": Call(apply_ackermann_settings, Reply.VOID, 2),
    "set_actor_autopilot": accepted(Reply.VOID),
    "show_vehicle_debug_telemetry": accepted(Reply.VOID),
    "open_vehicle_door": Call(open_door, Reply.VOID, 2),
    "close_vehicle_door": Call(close_door, Reply.VOID, 2),
}
