"""What sensors report of a step: their messages, and the message of the world's state."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from evaluation.simulator.physics.collision import Contact
from evaluation.simulator.sensors.camera import CameraSensor, take_images
from evaluation.simulator.sensors.collision import CollisionSensor, report_contacts
from evaluation.simulator.sensors.gnss import GnssSensor
from evaluation.simulator.sensors.imu import ImuSensor
from evaluation.simulator.sensors.sensor import Message
from evaluation.simulator.wire.codec import Transform
from evaluation.simulator.wire.dialect import Dialect
from evaluation.simulator.wire.snapshot import Buffer, episode_header, sensor_header
from evaluation.simulator.world.world import World

if TYPE_CHECKING:
    from evaluation.simulator.sensors.camera_scene import CameraScene

AnySensor = CameraSensor | CollisionSensor | GnssSensor | ImuSensor
Sensors = Mapping[int, AnySensor]
"""The sensors of an episode by actor id."""
IsHeard = Callable[[int], bool]
"""Whether anybody listens to a stream."""


def measure(
    world: World,
    sensors: Sensors,
    contacts: Sequence[Contact],
    scene: CameraScene | None,
    is_heard: IsHeard,
) -> list[Message]:
    """Let all sensors measure that are due and that somebody listens to."""
    detectors = [one for one in sensors.values() if isinstance(one, CollisionSensor)]
    messages = report_contacts(world, detectors, contacts)
    cameras: list[CameraSensor] = []
    for sensor in sensors.values():
        if isinstance(sensor, CollisionSensor) or not sensor.schedule.is_due(world.elapsed_s):
            continue
        if not is_heard(sensor.actor.stream_id):
            continue
        if isinstance(sensor, CameraSensor):
            cameras.append(sensor)
        else:
            messages.append((sensor.actor.stream_id, sensor.measure(world)))
    if scene is not None and not world.settings.no_rendering_mode:
        messages += take_images(world, scene, cameras)
    return messages


def world_state(world: World, episode_id: int, dialect: Dialect) -> Sequence[Buffer]:
    """Return the message that tells clients the state of all actors."""
    return (
        sensor_header(dialect.world_state_type, world.frame, world.elapsed_s, Transform()),
        episode_header(episode_id, time.monotonic(), world.delta_s),
        world.table.to_bytes(),
    )
