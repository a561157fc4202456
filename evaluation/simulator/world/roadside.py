"""What the road tells a vehicle: the speed limit and the traffic light that it waits at."""

from __future__ import annotations

import numpy as np

from evaluation.simulator.wire.codec import Vector3D
from evaluation.simulator.world.traffic_lights import LightState
from evaluation.simulator.world.world import World

_KMH_PER_MPS = 3.6


def speed_limit_kmh(world: World, location: Vector3D) -> float:
    """Return the limit of the road nearest to a place."""
    return world.speed_limits.at(location) * _KMH_PER_MPS


def show_road_facts(world: World) -> None:
    """Write gears, speed limits and traffic lights of all vehicles into the table."""
    fleet = world.fleet
    if not len(fleet):
        return
    rows = world.rows_of(fleet)
    shown = world.table.vehicle_state
    shown["gear"][rows] = fleet.gears()
    shown["speed_limit_kmh"][rows] = world.speed_limits.step(fleet) * _KMH_PER_MPS
    _show_lights_ahead(world)


def _show_lights_ahead(world: World) -> None:
    """Tell vehicles whose front is in the trigger volume of a light that faces them."""
    fleet, lights = world.fleet, world.lights
    rows = world.rows_of(fleet)
    shown = world.table.vehicle_state
    if not len(lights):
        shown["light_state"][rows] = LightState.GREEN
        return
    state = fleet.state
    yaw_rad = state["yaw_rad"]
    front = state["position_m"].copy()
    sine, cosine = fleet.heading()
    front[:, 0] += state["half_extent_m"][:, 0] * cosine
    front[:, 1] += state["half_extent_m"][:, 0] * sine
    light = lights.light_at(front, yaw_rad)
    waits = light >= 0
    first = world.light_actors[0].actor_id
    shown["at_light"][rows] = waits
    shown["light_id"][rows] = np.where(waits, first + light, 0)
    shown["light_state"][rows] = np.where(waits, lights.states[light], LightState.GREEN)
