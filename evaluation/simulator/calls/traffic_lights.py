"""Calls about traffic lights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from evaluation.simulator.calls.actors import actor_of
from evaluation.simulator.calls.call import Call
from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.net.rpc import Caller, Reply
from evaluation.simulator.simulator import Simulator
from evaluation.simulator.wire.codec import flag, integer, real
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.world.level_objects import light_boxes
from evaluation.simulator.world.traffic_lights import LightState


def light_of(simulator: Simulator, arguments: Sequence[Any]) -> int:
    """Return the index of the traffic light whose actor id is the first argument."""
    actor = actor_of(simulator, arguments)
    if actor.kind is not ActorKind.TRAFFIC_LIGHT:
        raise CallError(f"actor {actor.actor_id} is a {actor.type_id}, not a traffic light")
    return actor.row - simulator.world.light_actors[0].row


def set_state(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Show a colour until the next change of the junction."""
    state = integer("traffic light state", arguments[1])
    if state not in LightState.__members__.values():
        raise CallError(f"there is no traffic light state {state}")
    simulator.world.lights.set_state(light_of(simulator, arguments), state)


def set_time(
    state: LightState, simulator: Simulator, _caller: Caller, arguments: Sequence[Any]
) -> None:
    """Set how long a light shows a colour."""
    duration_s = real("duration", arguments[1])
    try:
        simulator.world.lights.set_time_s(light_of(simulator, arguments), state, duration_s)
    except ValueError as error:
        raise CallError(str(error)) from error


def freeze_all(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Stop or restart all lights."""
    simulator.world.lights.freeze_all(flag("frozen", arguments[0]))


def freeze_one(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Stop or restart one light."""
    frozen = flag("frozen", arguments[1])
    simulator.world.lights.freeze(light_of(simulator, arguments), frozen)


def reset_group(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> None:
    """Restart the cycle of a light's junction."""
    simulator.world.lights.reset_group(light_of(simulator, arguments))


def reset_all(simulator: Simulator, _caller: Caller, _arguments: Sequence[Any]) -> None:
    """Restart the cycles of all junctions."""
    simulator.world.lights.reset_all()


def get_group(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> list[int]:
    """Return the ids of all lights of a light's junction."""
    members = simulator.world.lights.group_members(light_of(simulator, arguments))
    return [simulator.world.light_actors[member].actor_id for member in members]


def get_light_boxes(simulator: Simulator, _caller: Caller, arguments: Sequence[Any]) -> Any:
    """Return the boxes of a light's housings."""
    index = light_of(simulator, arguments)
    actor_id = simulator.world.light_actors[index].actor_id
    return light_boxes(simulator.world.town, index, actor_id)


CALLS = {
    "set_traffic_light_state": Call(set_state, Reply.VOID, 2),
    "set_traffic_light_green_time": Call(partial(set_time, LightState.GREEN), Reply.VOID, 2),
    "set_traffic_light_yellow_time": Call(partial(set_time, LightState.YELLOW), Reply.VOID, 2),
    "set_traffic_light_red_time": Call(partial(set_time, LightState.RED), Reply.VOID, 2),
    "freeze_traffic_light": Call(freeze_one, Reply.VOID, 2),
    "freeze_all_traffic_lights": Call(freeze_all, Reply.VOID, 1),
    "reset_traffic_light_group": Call(reset_group, Reply.VOID, 1),
    "reset_all_traffic_lights": Call(reset_all, Reply.VOID),
    "get_group_traffic_lights": Call(get_group, Reply.VALUE, 1),
    "get_light_boxes": Call(get_light_boxes, Reply.VALUE, 1),
}
