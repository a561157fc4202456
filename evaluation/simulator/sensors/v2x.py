"""Radios that send messages to each other, and report what they hear.

Every message goes to all other stations with a sensor of the same type; the receiver's attributes
decide whether it arrives (`radio_channel.py`). The antenna of a station with a body is two
centimetres above its roof wherever the sensor is, as in CARLA 0.9.16; other stations have theirs
where the sensor is. As there, a station never hears itself, and sends one message a tick.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.sensors.awareness import PROTOCOL_VERSION, AwarenessService
from evaluation.simulator.sensors.geo_frame import GeoFrame
from evaluation.simulator.sensors.radio_channel import Link, RadioChannel, Sight
from evaluation.simulator.sensors.ray_scene import RayScene
from evaluation.simulator.sensors.sensor import Message, Schedule, header, noise_generator
from evaluation.simulator.wire.codec import describe
from evaluation.simulator.wire.errors import NotSimulatedError
from evaluation.simulator.wire.v2x_records import (
    CUSTOM_RECORD,
    CUSTOM_TEXT_BYTES,
    empty_record,
    with_power,
)
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

V2X_TYPE, CUSTOM_V2X_TYPE = "sensor.other.v2x", "sensor.other.v2x_custom"
_ABOVE_ROOF_M = 0.02
"""CARLA 0.9.16, PathLossModel.cpp."""
_WITH_ROOF = (ActorKind.VEHICLE, ActorKind.WALKER, ActorKind.PROP)
_CUSTOM_MESSAGE = 0


class Radio:
    """What both sensors share.

    Args:
        stream_type: type of the sensor's messages.
    """

    def __init__(self, world: World, actor: Actor, stream_type: int) -> None:
        self.actor = actor
        self.schedule = Schedule(actor.description)
        self.channel = RadioChannel(actor.description)
        self._stream_type = stream_type
        self._generator = noise_generator(world, actor)

    def station(self, world: World) -> Actor:
        """Return who speaks: the sensor's parent, or the sensor where it has none."""
        return world.actors.get(self.actor.parent_id, self.actor)

    def message(self, world: World) -> bytes | None:
        """Return the record of what is sent in this tick, without its power; None for nothing."""
        raise NotImplementedError

    def hear(self, world: World, rays: RayScene, sent: Mapping[int, Sent]) -> list[Message]:
        """Return the event of all messages that arrive, none where none does."""
        mine = self.station(world)
        place = antenna(world, self)
        near = [
            one
            for station_id, one in sent.items()
            if station_id != mine.actor_id and math.dist(place, one.antenna) < self.channel.reach_m
        ]
        arrived = []
        for one, link in zip(near, links(world, rays, mine, place, near), strict=True):
            power = self.channel.received_dbm(one.power_dbm, link, self._generator)
            if power is not None:
                arrived.append(with_power(one.record, power))
        if not arrived:
            return []
        parts = (header(self._stream_type, world, self.actor), b"".join(arrived))
        return [(self.actor.stream_id, parts)]


class V2xSensor(Radio):
    """Sends and hears cooperative awareness messages."""

    def __init__(self, world: World, actor: Actor, stream_type: int, geo_frame: GeoFrame) -> None:
        super().__init__(world, actor, stream_type)
        self.service = AwarenessService(actor.description, geo_frame)

    def message(self, world: World) -> bytes | None:
        return self.service.compose(world, self.station(world), self._generator)


class CustomV2xSensor(Radio):
    """Sends and hears texts of clients."""

    def __init__(self, world: World, actor: Actor, stream_type: int) -> None:
        super().__init__(world, actor, stream_type)
        self.text: bytes | None = None

    def say(self, text: str) -> None:
        """Send a text with the next tick; of several before it the last, as in CARLA 0.9.16.

        Raises:
            NotSimulatedError: longer than a message, or with a zero character, which would end it;
                the client does not wait for an answer, and is told by the next call.
        """
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > CUSTOM_TEXT_BYTES or b"\0" in data:
            raise NotSimulatedError(
                f"send: texts of more than {CUSTOM_TEXT_BYTES} bytes, or with zeros, are not"
                f" simulated, got {len(data)} bytes: {describe(text)}"
            )
        self.text = data

    def message(self, world: World) -> bytes | None:
        text, self.text = self.text, None
        if text is None:
            return None
        data, record = empty_record(CUSTOM_RECORD)
        record["message"]["header"] = (
            PROTOCOL_VERSION,
            _CUSTOM_MESSAGE,
            self.station(world).actor_id,
        )
        record["message"]["text"] = text
        return bytes(data)


class Sent:
    """A message under way."""

    def __init__(self, world: World, radio: Radio, record: bytes) -> None:
        self.station = radio.station(world)
        self.antenna = antenna(world, radio)
        self.power_dbm = radio.channel.transmit_power_dbm
        self.record = record


def antenna(world: World, radio: Radio) -> tuple[float, float, float]:
    """Return where a radio's antenna is (world, m)."""
    station = radio.station(world)
    if station.kind not in _WITH_ROOF:
        x, y, z = world.table.location[radio.actor.row].tolist()
        return x, y, z
    x, y, z = world.table.location[station.row].tolist()
    box = station.bounding_box
    return x, y, z + box.location.z + box.extent.z + _ABOVE_ROOF_M


def links(
    world: World,
    rays: RayScene,
    receiver: Actor,
    place: tuple[float, float, float],
    sent: Sequence[Sent],
) -> list[Link]:
    """Return the ways of messages to a receiver's antenna at `place`."""
    if not sent:
        return []
    ends = np.array([one.antenna for one in sent])
    met = rays.met_between(world, np.broadcast_to(place, ends.shape), ends)
    found = []
    for one, actor_ids in zip(sent, met, strict=True):
        between = [
            actor_id
            for actor_id in sorted(actor_ids)
            if actor_id not in (receiver.actor_id, one.station.actor_id)
        ]
        floor_m = min(_ground_m(world, receiver, place), _ground_m(world, one.station, one.antenna))
        edges: list[tuple[float, float, float]] = []
        sight = Sight.CLEAR
        for actor_id in between:
            other = world.actors.get(actor_id)
            if other is None or not other.is_vehicle:
                # The town (0), walkers and props: CARLA takes them for buildings.
                sight, edges = Sight.BUILDINGS, []
                break
            sight = Sight.VEHICLES
            edges.append(_edge(world, other, place, one.antenna, floor_m))
        heights = (place[2] - floor_m, one.antenna[2] - floor_m)
        found.append(Link(math.dist(place, one.antenna), heights, sight, edges))
    return found


def _ground_m(world: World, station: Actor, place: tuple[float, float, float]) -> float:
    """The height of a station's origin; of one without a body, of its antenna."""
    if station.kind in _WITH_ROOF:
        return float(world.table.location[station.row, 2])
    return place[2]


def _edge(
    world: World,
    vehicle: Actor,
    first: tuple[float, float, float],
    second: tuple[float, float, float],
    floor_m: float,
) -> tuple[float, float, float]:
    x, y, z = world.table.location[vehicle.row].tolist()
    box = vehicle.bounding_box
    roof_m = z + box.location.z + box.extent.z + _ABOVE_ROOF_M
    return (
        math.hypot(x - first[0], y - first[1]),
        math.hypot(x - second[0], y - second[1]),
        roof_m - floor_m,
    )
