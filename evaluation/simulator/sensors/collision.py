"""The collision detector: sends a message for every touch of its parent."""

from __future__ import annotations

from collections.abc import Sequence

import msgpack

from evaluation.simulator.physics.collision import Contact
from evaluation.simulator.sensors.sensor import Message, header
from evaluation.simulator.wire.actor_records import ActorRecord, Description
from evaluation.simulator.wire.codec import BoundingBox, Vector3D
from evaluation.simulator.wire.snapshot import Buffer, StreamType
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

_TOWN_PARTS = {
    1: "static.road",
    2: "static.sidewalk",
    3: "static.building",
    6: "static.pole",
    7: "traffic.traffic_light",
    8: "static.trafficsign",
    9: "static.vegetation",
    10: "static.terrain",
    24: "static.roadline",
}


class CollisionSensor:
    """Reports who touched its parent, and how hard."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    def report(self, world: World, other: ActorRecord, impulse_ns: Vector3D) -> Sequence[Buffer]:
        """Return the message [parent, other, impulse on the parent in N s, world axes]."""
        parent = world.actor(self.actor.parent_id)
        body = msgpack.packb((parent.record(), other, impulse_ns))
        return header(StreamType.COLLISION, world, self.actor), body


def report_contacts(
    world: World, sensor: CollisionSensor, contacts: Sequence[Contact]
) -> list[Message]:
    """Return one message for every touch of the detector's parent."""
    messages: list[Message] = []
    parent_id = sensor.actor.parent_id
    for contact in contacts:
        if parent_id not in (contact.actor_id, contact.other_id) or not parent_id:
            continue
        is_first = parent_id == contact.actor_id
        sign = -1.0 if is_first else 1.0
        impulse = [sign * contact.impulse_ns * part for part in contact.normal]
        other = _record(world, contact.other_id if is_first else contact.actor_id, contact)
        parts = sensor.report(world, other, Vector3D(impulse[0], impulse[1], 0.0))
        messages.append((sensor.actor.stream_id, parts))
    return messages


def _record(world: World, actor_id: int, contact: Contact) -> ActorRecord:
    """Return the record of an actor, or of the part of the town that was hit."""
    if actor_id:
        return world.actor(actor_id).record()
    return static_record(contact.static_tag)


def static_record(tag: int) -> ActorRecord:
    """Return what stands for a part of the town with a semantic tag."""
    type_id = _TOWN_PARTS.get(tag, "static.unknown")
    return ActorRecord(0, 0, Description(0, type_id), BoundingBox(), bytes([tag]))
