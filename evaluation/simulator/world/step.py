"""One step of the world, from controls to poses and contacts."""

from __future__ import annotations

import logging

from evaluation.simulator.physics.collision import Contact
from evaluation.simulator.world.roadside import show_road_facts
from evaluation.simulator.world.world import World

logger = logging.getLogger(__name__)


def advance(world: World, delta_s: float) -> list[Contact]:
    """Move the world on by one time step and return what bumped into what."""
    ground_height = world.town.ground_height_m
    world.drive_by_ackermann(delta_s)
    world.change_tyres()
    world.fleet.step(delta_s, ground_height)
    world.release_pedals()
    world.crowd.step(delta_s, ground_height)
    world.props.step(delta_s)
    contacts = world.collisions.step(world.body_tables(), world.attached_boxes())
    for bodies in world.body_tables():
        stopped = bodies.keep_in_bounds()
        if stopped:
            logger.warning("%d bodies were too fast or too far away and were stopped", stopped)
    world.lights.step(delta_s)
    world.frame += 1
    world.elapsed_s += delta_s
    world.delta_s = delta_s
    world.show_bodies()
    world.follow_parents()
    show_lights(world)
    show_road_facts(world)
    return contacts


def show_lights(world: World) -> None:
    """Copy the states of the traffic lights into the table."""
    lights = world.lights
    if not len(lights):
        return
    first = world.light_actors[0].row
    shown = world.table.light_state[first : first + len(lights)]
    shown["state"] = lights.states
    shown["elapsed_s"] = lights.elapsed_s
    shown["frozen"] = lights.frozen
    shown["green_s"], shown["yellow_s"], shown["red_s"] = lights.times_s.T
