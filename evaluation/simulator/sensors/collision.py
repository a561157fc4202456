"""The collision detector: sends a message for every touch of its parent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgpack

from evaluation.simulator.actor_records import ActorRecord
from evaluation.simulator.codec import Vector3D
from evaluation.simulator.event_loop import Buffer
from evaluation.simulator.sensors.sensor import header
from evaluation.simulator.snapshot import StreamType

if TYPE_CHECKING:
    from evaluation.simulator.world import Actor, World


class CollisionSensor:
    """Reports who touched its parent, and how hard."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    def report(self, world: World, other: ActorRecord, impulse_ns: Vector3D) -> Sequence[Buffer]:
        """Return the message [parent, other, impulse on the parent in N s, world axes]."""
        parent = world.actor(self.actor.parent_id)
        body = msgpack.packb((parent.record(), other, impulse_ns))
        return header(StreamType.COLLISION, world, self.actor), body
