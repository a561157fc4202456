"""What sensors report of a step: their messages, and the message of the world's state."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from evaluation.simulator.physics.collision import Contact
from evaluation.simulator.sensors.camera import CameraSensor, take_images
from evaluation.simulator.sensors.collision import CollisionSensor, report_contacts
from evaluation.simulator.sensors.gnss import GnssSensor
from evaluation.simulator.sensors.imu import ImuSensor
from evaluation.simulator.sensors.lidar import LidarSensor, SemanticLidarSensor
from evaluation.simulator.sensors.obstacle import ObstacleSensor
from evaluation.simulator.sensors.radar import RadarSensor
from evaluation.simulator.sensors.ray_scene import RayScene
from evaluation.simulator.sensors.sensor import Message
from evaluation.simulator.sensors.v2x import CustomV2xSensor, Radio, Sent, V2xSensor
from evaluation.simulator.wire.codec import Transform
from evaluation.simulator.wire.dialect import Dialect
from evaluation.simulator.wire.snapshot import Buffer, episode_header, sensor_header
from evaluation.simulator.world.world import World

if TYPE_CHECKING:
    from evaluation.simulator.sensors.camera_scene import CameraScene

logger = logging.getLogger(__name__)

Reader = GnssSensor | ImuSensor
RaySensor = LidarSensor | SemanticLidarSensor | RadarSensor
AnyRadio = V2xSensor | CustomV2xSensor
AnySensor = CameraSensor | CollisionSensor | ObstacleSensor | Reader | RaySensor | AnyRadio
Sensors = Mapping[int, AnySensor]
"""The sensors of an episode by actor id."""
IsHeard = Callable[[int], bool]
"""Whether anybody listens to a stream."""


def measure(
    world: World,
    sensors: Sensors,
    contacts: Sequence[Contact],
    scene: CameraScene | None,
    rays: RayScene | None,
    is_heard: IsHeard,
    dialect: Dialect,
) -> tuple[list[Message], list[CameraSensor]]:
    """Let all sensors measure that are due and that somebody listens to.

    Returns their messages, and the cameras that are still to be drawn (`draw`): those that do not
    measure in every tick, so that no client waits in a tick for an image that is not one of every
    tick's. A sensor that fails has no message this time; the others and the world go on.
    """
    messages: list[Message] = []
    cameras: list[CameraSensor] = []
    late: list[CameraSensor] = []
    radios: list[AnyRadio] = []
    for sensor in sensors.values():
        if isinstance(sensor, CollisionSensor):
            messages += _unless_it_fails(sensor, partial(report_contacts, world, sensor, contacts))
            continue
        # Asked whether anybody listens or not: the schedule counts from the spawning.
        if not sensor.schedule.is_due(world.elapsed_s):
            continue
        if isinstance(sensor, AnyRadio):
            radios.append(sensor)
            continue
        if not is_heard(sensor.actor.stream_id):
            continue
        if isinstance(sensor, CameraSensor):
            (late if sensor.schedule.period_s > 0.0 else cameras).append(sensor)
        elif isinstance(sensor, Reader):
            messages += _unless_it_fails(sensor, partial(_read, world, sensor))
        elif rays is not None:
            messages += _unless_it_fails(sensor, partial(_cast, world, sensor, rays))
    if rays is not None:
        messages += _exchange(world, radios, rays, is_heard)
    return messages + draw(world, scene, cameras, is_heard, dialect), late


def draw(
    world: World,
    scene: CameraScene | None,
    cameras: Sequence[CameraSensor],
    is_heard: IsHeard,
    dialect: Dialect,
) -> list[Message]:
    """Draw cameras; nothing where there is no scene or the episode is not to be rendered.

    All are drawn at once; where that fails, each alone, so that one blinds no other.
    """
    if scene is None or not cameras or world.settings.no_rendering_mode:
        return []

    def take(some: Sequence[CameraSensor]) -> list[Message]:
        return take_images(world, scene, some, is_heard, dialect.gbuffer_type)

    try:
        return take(cameras)
    except Exception:
        logger.exception("%d cameras cannot be drawn together", len(cameras))
    return [
        message
        for camera in cameras
        for message in _unless_it_fails(camera, partial(take, [camera]))
    ]


def _exchange(
    world: World, radios: Sequence[AnyRadio], rays: RayScene, is_heard: IsHeard
) -> list[Message]:
    """Let radios send, whether anybody listens to them or not, and then hear each other."""
    messages: list[Message] = []
    for kind in (V2xSensor, CustomV2xSensor):
        alike = [radio for radio in radios if isinstance(radio, kind)]
        sent: dict[int, Sent] = {}
        for radio in alike:
            _unless_it_fails(radio, partial(_send, world, radio, sent))
        for radio in alike:
            if sent and is_heard(radio.actor.stream_id):
                messages += _unless_it_fails(radio, partial(radio.hear, world, rays, sent))
    return messages


def _send(world: World, radio: Radio, sent: dict[int, Sent]) -> list[Message]:
    record = radio.message(world)
    if record is not None:
        sent[radio.station(world).actor_id] = Sent(world, radio, record)
    return []


def _read(world: World, sensor: Reader) -> list[Message]:
    return [(sensor.actor.stream_id, sensor.measure(world))]


def _cast(world: World, sensor: RaySensor | ObstacleSensor, rays: RayScene) -> list[Message]:
    if isinstance(sensor, ObstacleSensor):
        return sensor.report(world, rays)
    return [(sensor.actor.stream_id, sensor.measure(world, rays))]


def _unless_it_fails(sensor: AnySensor, measure: Callable[[], list[Message]]) -> list[Message]:
    """Return the messages of one sensor, none (and a line in the log) where it raises."""
    try:
        return measure()
    except Exception:
        logger.exception("sensor %d (%s) failed", sensor.actor.actor_id, sensor.actor.type_id)
        return []


def world_state(world: World, episode_id: int, dialect: Dialect) -> Sequence[Buffer]:
    """Return the message that tells clients the state of all actors."""
    return (
        sensor_header(dialect.world_state_type, world.frame, world.elapsed_s, Transform()),
        episode_header(
            episode_id,
            time.monotonic(),
            world.delta_s,
            lights_changed=world.street_lights.take_change(),
        ),
        world.table.to_bytes(),
    )
