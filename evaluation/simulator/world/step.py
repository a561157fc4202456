"""One step of the world, from controls to the messages that sensors send."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from evaluation.simulator.net.event_loop import Buffer
from evaluation.simulator.physics.collision import Contact
from evaluation.simulator.sensors.camera import CameraSensor, take_pictures
from evaluation.simulator.sensors.collision import CollisionSensor, report_contacts
from evaluation.simulator.sensors.sensor import Message
from evaluation.simulator.wire.codec import Transform
from evaluation.simulator.wire.dialect import Dialect
from evaluation.simulator.wire.snapshot import episode_header, sensor_header
from evaluation.simulator.world.roadside import show_road_facts
from evaluation.simulator.world.world import World

if TYPE_CHECKING:
    from evaluation.simulator.sensors.camera_scene import Scene

IsHeard = Callable[[int], bool]


def advance(world: World, delta_s: float) -> list[Contact]:
    """Move the world on by one time step and return what bumped into what."""
    ground_height = world.town.ground_height_m
    world.fleet.step(delta_s, ground_height)
    world.crowd.step(delta_s, ground_height)
    world.props.step(delta_s)
    contacts = world.collisions.step(world.body_tables())
    world.lights.step(delta_s)
    world.frame += 1
    world.elapsed_s += delta_s
    world.delta_s = delta_s
    world.show_bodies()
    world.follow_parents()
    show_lights(world)
    show_road_facts(world)
    return contacts


def measure(
    world: World, contacts: Sequence[Contact], scene: Scene | None, is_heard: IsHeard
) -> list[Message]:
    """Let all sensors measure that are due and that somebody listens to."""
    messages = report_contacts(world, contacts)
    cameras: list[CameraSensor] = []
    for sensor in world.sensors.values():
        if isinstance(sensor, CollisionSensor) or not sensor.schedule.is_due(world.elapsed_s):
            continue
        if not is_heard(sensor.actor.stream_id):
            continue
        if isinstance(sensor, CameraSensor):
            cameras.append(sensor)
        else:
            messages.append((sensor.actor.stream_id, sensor.measure(world)))
    if scene is not None and not world.settings.no_rendering_mode:
        messages += take_pictures(world, scene, cameras)
    return messages


def world_state(world: World, episode_id: int, dialect: Dialect) -> Sequence[Buffer]:
    """Return the message that tells clients the state of all actors."""
    return (
        sensor_header(dialect.world_state_type, world.frame, world.elapsed_s, Transform()),
        episode_header(episode_id, time.monotonic(), world.delta_s),
        world.table.to_bytes(),
    )


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
