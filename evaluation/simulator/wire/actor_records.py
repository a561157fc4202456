"""Wire records of blueprints, actors and batch commands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from evaluation.simulator.wire.codec import (
    BoundingBox,
    Transform,
    WireError,
    describe,
    integer,
    real,
    sequence,
    text,
)
from evaluation.simulator.wire.dialect import AttributeType, Dialect


class Attribute(NamedTuple):
    """One attribute of a blueprint with its default value."""

    name: str
    type: AttributeType
    value: str
    recommended: tuple[str, ...] = ()
    modifiable: bool = True
    restricted: bool = False

    def to_wire(self, dialect: Dialect) -> list[Any]:
        """Return the attribute with its type numbered as the client's version does."""
        return [self.name, self.type + dialect.first_attribute_type, *self[2:]]


class Definition(NamedTuple):
    """A blueprint: what `get_blueprint_library` lists."""

    uid: int
    type_id: str
    tags: str
    attributes: tuple[Attribute, ...]

    def to_wire(self, dialect: Dialect) -> list[Any]:
        """Return [uid, id, tags, attributes]."""
        attributes = [attribute.to_wire(dialect) for attribute in self.attributes]
        return [self.uid, self.type_id, self.tags, attributes]


class AttributeValue(NamedTuple):
    """One attribute of a living actor; the type stays as the client numbers it."""

    name: str
    type: int
    value: str


class Description(NamedTuple):
    """What a client asks for when it spawns an actor: a blueprint id with chosen values."""

    uid: int
    type_id: str
    attributes: tuple[AttributeValue, ...] = ()

    def value(self, name: str, default: str = "") -> str:
        """Return the attribute's text, or `default` where the client did not choose one."""
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute.value
        return default

    def number(self, name: str, default: float) -> float:
        """Return the attribute as a finite float; raise `WireError` where it is not one."""
        value = self.value(name)
        try:
            number = float(value) if value else default
        except ValueError:
            number = math.nan
        return real(f"{self.type_id}: attribute {name} = {describe(value)}", number)

    @classmethod
    def from_wire(cls, data: object) -> Description:
        """Read [uid, id, attributes]."""
        items = sequence("ActorDescription", data, at_least=3)
        attributes = []
        for item in sequence("ActorDescription.attributes", items[2]):
            fields = sequence("ActorAttributeValue", item, at_least=3)
            attributes.append(
                AttributeValue(
                    text("ActorAttributeValue.id", fields[0]),
                    integer("ActorAttributeValue.type", fields[1]),
                    text("ActorAttributeValue.value", fields[2]),
                )
            )
        return cls(
            integer("ActorDescription.uid", items[0]),
            text("ActorDescription.id", items[1]),
            tuple(attributes),
        )


class ActorRecord(NamedTuple):
    """An actor as the client learns of it."""

    actor_id: int
    parent_id: int
    description: Description
    bounding_box: BoundingBox
    semantic_tags: bytes = b""
    stream_token: bytes = b""


class CommandKind(IntEnum):
    """Index of a batch command in the client's variant."""

    SPAWN_ACTOR = 0
    DESTROY_ACTOR = 1
    APPLY_VEHICLE_CONTROL = 2
    APPLY_ACKERMANN_CONTROL = 3
    APPLY_WALKER_CONTROL = 4
    APPLY_VEHICLE_PHYSICS = 5
    APPLY_TRANSFORM = 6
    APPLY_WALKER_STATE = 7
    APPLY_TARGET_VELOCITY = 8
    APPLY_TARGET_ANGULAR_VELOCITY = 9
    APPLY_IMPULSE = 10
    APPLY_FORCE = 11
    APPLY_ANGULAR_IMPULSE = 12
    APPLY_TORQUE = 13
    SET_SIMULATE_PHYSICS = 14
    SET_ENABLE_GRAVITY = 15
    SET_AUTOPILOT = 16
    SHOW_DEBUG_TELEMETRY = 17
    SET_VEHICLE_LIGHT_STATE = 18
    APPLY_LOCATION = 19
    CONSOLE_COMMAND = 20
    SET_TRAFFIC_LIGHT_STATE = 21


_KINDS = tuple(CommandKind)


class Command(NamedTuple):
    """One entry of `apply_batch`: its kind and the fields as they came."""

    kind: CommandKind
    fields: Sequence[Any]

    @classmethod
    def from_wire(cls, data: object) -> Command:
        """Read [[index, fields]]."""
        outer = sequence("Command", data)
        inner = sequence("Command", outer[0] if len(outer) == 1 else outer, at_least=2)
        index = integer("Command.index", inner[0])
        if not 0 <= index < len(_KINDS):
            raise WireError(f"Command: unknown index {index}")
        kind = _KINDS[index]
        return cls(kind, sequence("Command.fields", inner[1]))


class SpawnCommand(NamedTuple):
    """SpawnActor: what to spawn, where, on whom, and what to do with it afterwards."""

    description: Description
    transform: Transform
    parent_id: int
    do_after: tuple[Command, ...]

    @classmethod
    def from_wire(cls, fields: Sequence[Any], dialect: Dialect) -> SpawnCommand:
        """Read the six fields of 0.9.16 or the four of 0.9.15."""
        expected = 6 if dialect.spawn_has_socket else 4
        if len(fields) < expected:
            raise WireError(
                f"SpawnActor: expected {expected} fields as client {dialect.version} sends them, "
                f"got {len(fields)}; start the simulator with the --client-version that matches"
            )
        parent = sequence("SpawnActor.parent", fields[2])
        has_parent = len(parent) > 1 and parent[0] is True
        do_after = sequence("SpawnActor.do_after", fields[expected - 1])
        return cls(
            Description.from_wire(fields[0]),
            Transform.from_wire(fields[1]),
            integer("SpawnActor.parent", parent[1]) if has_parent else 0,
            tuple(Command.from_wire(item) for item in do_after),
        )
