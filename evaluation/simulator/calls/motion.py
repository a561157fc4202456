"""Calls that set velocities, push actors, or switch their physics.

Vehicles, walkers and props have physics unless they are fixed to another actor; the others take
these calls without effect, as things without a physical body do in CARLA.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.simulator.calls.actors import actor_of
from evaluation.simulator.calls.call import Call
from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.physics.bodies import BodyTable
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.wire.codec import Vector3D, flag


def bodies_with(simulator: Simulator, arguments: Sequence[Any]) -> tuple[BodyTable | None, int]:
    """Return the table in which the actor of the first argument moves, and its id."""
    actor_id = actor_of(simulator, arguments).actor_id
    return simulator.world.bodies_with(actor_id), actor_id


def set_target_velocity(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Set the velocity (m/s, world axes) once."""
    velocity_mps = Vector3D.velocity_from_wire(arguments[1])
    bodies, actor_id = bodies_with(simulator, arguments)
    if bodies is not None:
        bodies.set_velocity(actor_id, velocity_mps)


def set_target_angular_velocity(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> None:
    """Set the angular velocity (deg/s, world axes) once."""
    rate_dps = Vector3D.rate_from_wire(arguments[1])
    bodies, actor_id = bodies_with(simulator, arguments)
    if bodies is not None:
        bodies.set_angular_velocity(actor_id, rate_dps)


def enable_constant_velocity(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> None:
    """Hold the velocity (m/s, the vehicle's own axes) from now on."""
    velocity_mps = Vector3D.velocity_from_wire(arguments[1])
    actor_id = actor_of(simulator, arguments).actor_id
    if actor_id in simulator.world.fleet:
        simulator.world.fleet.set_constant_velocity(actor_id, velocity_mps)


def disable_constant_velocity(
    simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> None:
    """Let the vehicle move freely again."""
    actor_id = actor_of(simulator, arguments).actor_id
    if actor_id in simulator.world.fleet:
        simulator.world.fleet.set_constant_velocity(actor_id, None)


def add_impulse(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Push the vehicle (N s, world axes)."""
    impulse_ns = Vector3D.from_wire(arguments[1])
    bodies, actor_id = bodies_with(simulator, arguments)
    if bodies is not None:
        bodies.add_impulse(actor_id, impulse_ns)


def add_force(simulator: Simulator, caller: Caller, arguments: Sequence[Any]) -> None:
    """Push the vehicle for one step (N, world axes)."""
    force_n = Vector3D.from_wire(arguments[1])
    delta_s = simulator.clock.delta_s
    impulse_ns = [component * delta_s for component in force_n]
    add_impulse(simulator, caller, (arguments[0], impulse_ns))


def add_impulse_at(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Push an actor (N s, world axes) at a place in the world: it turns as well."""
    impulse_ns = Vector3D.from_wire(arguments[1])
    location = Vector3D.location_from_wire(arguments[2])
    bodies, actor_id = bodies_with(simulator, arguments)
    if bodies is not None:
        arm_m = np.subtract(location, bodies.state["position_m"][bodies.row(actor_id)])
        bodies.add_impulse(actor_id, impulse_ns)
        twist_nms = float(arm_m[0] * impulse_ns.y - arm_m[1] * impulse_ns.x)
        bodies.add_angular_impulse(actor_id, Vector3D(0.0, 0.0, twist_nms))


def add_force_at(simulator: Simulator, caller: Caller, arguments: Sequence[Any]) -> None:
    """Push an actor for one step (N, world axes) at a place in the world."""
    delta_s = simulator.clock.delta_s
    impulse_ns = [component * delta_s for component in Vector3D.from_wire(arguments[1])]
    add_impulse_at(simulator, caller, (arguments[0], impulse_ns, arguments[2]))


def add_angular_impulse(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Twist the vehicle (N m s, world axes)."""
    impulse_nms = Vector3D.from_wire(arguments[1])
    bodies, actor_id = bodies_with(simulator, arguments)
    if bodies is not None:
        bodies.add_angular_impulse(actor_id, impulse_nms)


def add_torque(simulator: Simulator, caller: Caller, arguments: Sequence[Any]) -> None:
    """Twist the vehicle for one step (N m, world axes)."""
    torque_nm = Vector3D.from_wire(arguments[1])
    delta_s = simulator.clock.delta_s
    impulse_nms = [component * delta_s for component in torque_nm]
    add_angular_impulse(simulator, caller, (arguments[0], impulse_nms))


def set_simulate_physics(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Switch physics; without, the vehicle moves only by teleports."""
    enabled = flag("enabled", arguments[1])
    bodies, actor_id = bodies_with(simulator, arguments)
    if bodies is not None:
        bodies.set_simulate_physics(actor_id, enabled)


def set_enable_gravity(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Switch gravity; without, the vehicle keeps its height."""
    enabled = flag("enabled", arguments[1])
    bodies, actor_id = bodies_with(simulator, arguments)
    if bodies is not None:
        bodies.set_gravity(actor_id, enabled)


def set_collisions(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Switch whether others bump into an actor of any kind."""
    enabled = flag("enabled", arguments[1])
    simulator.world.set_collides(actor_of(simulator, arguments), enabled)


CALLS = {
    "set_actor_target_velocity": Call(set_target_velocity, Reply.VOID, 2),
    "set_actor_target_angular_velocity": Call(set_target_angular_velocity, Reply.VOID, 2),
    "enable_actor_constant_velocity": Call(enable_constant_velocity, Reply.VOID, 2),
    "disable_actor_constant_velocity": Call(disable_constant_velocity, Reply.VOID, 1),
    "add_actor_impulse": Call(add_impulse, Reply.VOID, 2),
    "add_actor_force": Call(add_force, Reply.VOID, 2),
    "add_actor_impulse_at_location": Call(add_impulse_at, Reply.VOID, 3),
    "add_actor_force_at_location": Call(add_force_at, Reply.VOID, 3),
    "add_actor_angular_impulse": Call(add_angular_impulse, Reply.VOID, 2),
    "add_actor_torque": Call(add_torque, Reply.VOID, 2),
    "set_actor_simulate_physics": Call(set_simulate_physics, Reply.VOID, 2),
    "set_actor_enable_gravity": Call(set_enable_gravity, Reply.VOID, 2),
    "set_actor_collisions": Call(set_collisions, Reply.VOID, 2),
}
