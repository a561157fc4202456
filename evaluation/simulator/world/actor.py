"""One actor of the world."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.wire.actor_records import ActorRecord, Description
from evaluation.simulator.wire.codec import (
    BoundingBox,
    Transform,
)
from evaluation.simulator.wire.settings_records import VehiclePhysics
from evaluation.simulator.world.skeleton import WalkerPose


@dataclass(eq=False)
class Actor:
    """One actor; its pose and velocities are in row `row` of the world's table.

    Attributes:
        relative: pose in the parent's axes, None where the actor has no parent.
        bounding_box: in the actor's own frame.
        light_flags: switched vehicle lights (carla.VehicleLightState bits).
        pose: the pose that a client has given to a walker, if any.
        physics: the physics control that a client has applied to a vehicle, if any.
        stream_id: stream of a sensor, else 0.
    """

    actor_id: int
    kind: ActorKind
    description: Description
    bounding_box: BoundingBox
    row: int
    semantic_tag: int = 0
    parent_id: int = 0
    relative: Transform | None = None
    light_flags: int = 0
    pose: WalkerPose | None = None
    physics: VehiclePhysics | None = None
    stream_id: int = 0
    stream_token: bytes = b""

    @property
    def is_vehicle(self) -> bool:
        """Whether it is a vehicle."""
        return self.kind is ActorKind.VEHICLE

    @property
    def type_id(self) -> str:
        """The blueprint id, such as vehicle.lincoln.mkz_2020."""
        return self.description.type_id

    def record(self) -> ActorRecord:
        """Return what clients are told about the actor."""
        tags = bytes([self.semantic_tag]) if self.semantic_tag else b""
        return ActorRecord(
            self.actor_id,
            self.parent_id,
            self.description,
            self.bounding_box,
            tags,
            self.stream_token,
        )
