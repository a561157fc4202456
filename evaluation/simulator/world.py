"""The state of the simulated world: the only thing that changes while the simulator runs."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from evaluation.simulator.actor_records import ActorRecord, Description
from evaluation.simulator.actor_table import ActorTable
from evaluation.simulator.blueprints import ActorKind, Blueprint, BlueprintLibrary
from evaluation.simulator.codec import (
    BoundingBox,
    Rotation,
    Transform,
    Vector3D,
    VehicleControl,
    WalkerControl,
    WeatherParameters,
)
from evaluation.simulator.pose import compose, place
from evaluation.simulator.rpc import CallError
from evaluation.simulator.settings_records import EpisodeSettings
from evaluation.simulator.town.town import Town
from evaluation.simulator.vehicle import VehicleFleet, VehicleSpec

logger = logging.getLogger(__name__)

SPECTATOR_TYPE = "spectator"


@dataclass(eq=False)
class Actor:
    """One actor; its pose and velocities are in row `row` of the world's table.

    Attributes:
        relative: pose in the parent's axes, None where the actor has no parent.
        bounding_box: in the actor's own frame.
        light_flags: switched vehicle lights (carla.VehicleLightState bits).
        collides: whether other bodies bump into it.
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
    collides: bool = False
    light_flags: int = 0
    stream_id: int = 0
    stream_token: bytes = b""

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


@dataclass
class World:
    """Everything that a tick or a call may change.

    Attributes:
        first_actor_id: id of the first actor of this episode; ids are never used twice.
        seed: seeds the noise of sensors.
    """

    town: Town
    seed: int
    episode_id: int
    first_actor_id: int = 1
    settings: EpisodeSettings = EpisodeSettings()
    weather: WeatherParameters = WeatherParameters()
    frame: int = 0
    elapsed_s: float = 0.0
    delta_s: float = 0.0
    actors: dict[int, Actor] = field(default_factory=dict)
    table: ActorTable = field(default_factory=ActorTable)
    fleet: VehicleFleet = field(default_factory=VehicleFleet)
    blueprints: BlueprintLibrary = field(default_factory=BlueprintLibrary)
    membership: int = 0

    def __post_init__(self) -> None:
        self._next_id = self.first_actor_id
        self._rows: list[Actor] = []
        self._children: dict[int, Actor] = {}
        self._fleet_rows: npt.NDArray[np.intp] | None = None
        spectator = Description(0, SPECTATOR_TYPE)
        self.spectator = self._enrol(ActorKind.OTHER, spectator, BoundingBox(), Transform())

    @property
    def next_actor_id(self) -> int:
        """The id that the next actor will get."""
        return self._next_id

    def actor(self, actor_id: int) -> Actor:
        """Return a living actor; raise `CallError` for any other id."""
        actor = self.actors.get(actor_id)
        if actor is None:
            raise CallError(f"unable to find actor {actor_id}: it was destroyed or never existed")
        return actor

    def of_kind(self, kind: ActorKind) -> list[Actor]:
        """Return the living actors of one kind, oldest first."""
        return [actor for actor in self.actors.values() if actor.kind is kind]

    # Spawning and destroying

    def blueprint(self, type_id: str) -> Blueprint:
        """Return a blueprint; raise `CallError` for an unknown id."""
        if type_id not in self.blueprints:
            raise CallError(f"the simulator has no blueprint '{type_id}'")
        return self.blueprints[type_id]

    def spawn(self, description: Description, transform: Transform, parent_id: int = 0) -> Actor:
        """Create an actor at `transform`, relative to its parent if it has one.

        Raises:
            CallError: unknown blueprint or parent.
        """
        blueprint = self.blueprint(description.type_id)
        relative = None
        if parent_id:
            relative = transform
            transform = place(self.transform(self.actor(parent_id)), relative)
        actor = self._enrol(blueprint.kind, description, blueprint.bounding_box, transform)
        actor.semantic_tag = blueprint.semantic_tag
        actor.collides = blueprint.collides and not parent_id
        if relative is not None:
            actor.parent_id = parent_id
            actor.relative = relative
            self._children[actor.actor_id] = actor
        elif blueprint.model is not None:
            extent = blueprint.bounding_box.extent
            spec = VehicleSpec.for_class(blueprint.model.base_type, extent)
            self.fleet.add(actor.actor_id, spec, transform)
            self._fleet_rows = None
        return actor

    def add_fixture(
        self, kind: ActorKind, type_id: str, sign_id: str, transform: Transform, box: BoundingBox
    ) -> Actor:
        """Create a traffic light or sign of the town; `box` is its trigger volume."""
        actor = self._enrol(kind, Description(0, type_id), box, transform)
        actor.semantic_tag = 7 if kind is ActorKind.TRAFFIC_LIGHT else 8
        self.table.show_sign_id(actor.row, sign_id)
        return actor

    def destroy(self, actor_id: int) -> bool:
        """Remove an actor; its children stay where they are. False if there is no such actor."""
        actor = self.actors.get(actor_id)
        if actor is None or actor is self.spectator or actor.kind in _FIXTURES:
            return False
        del self.actors[actor_id]
        self._children.pop(actor_id, None)
        if actor_id in self.fleet:
            self.fleet.remove(actor_id)
        self._fleet_rows = None
        self.membership += 1
        for child in [item for item in self._children.values() if item.parent_id == actor_id]:
            child.parent_id = 0
            child.relative = None
            del self._children[child.actor_id]
        self.table.remove(actor.row)
        moved = self._rows.pop()
        if moved is not actor:
            moved.row = actor.row
            self._rows[actor.row] = moved
        return True

    def _enrol(
        self, kind: ActorKind, description: Description, box: BoundingBox, transform: Transform
    ) -> Actor:
        actor_id = self._next_id
        self._next_id += 1
        row = self.table.add(actor_id, transform)
        box = box._replace(actor_id=actor_id)
        actor = Actor(actor_id, kind, description, box, row)
        self.actors[actor_id] = actor
        self._rows.append(actor)
        self.membership += 1
        return actor

    # Poses

    def transform(self, actor: Actor) -> Transform:
        """Return an actor's pose in the world."""
        return self.table.transform(actor.row)

    def set_transform(self, actor: Actor, transform: Transform) -> None:
        """Teleport an actor; relative to its parent if it has one."""
        if actor.relative is not None:
            actor.relative = transform
            transform = place(self.transform(self.actor(actor.parent_id)), transform)
        self.table.set_transform(actor.row, transform)
        if actor.actor_id in self.fleet:
            self.fleet.teleport(actor.actor_id, transform)

    def set_location(self, actor: Actor, location: Vector3D) -> None:
        """Teleport an actor without turning it."""
        current = actor.relative or self.transform(actor)
        self.set_transform(actor, current._replace(location=location))

    def follow_parents(self) -> None:
        """Move all attached actors to where their parents have taken them.

        Children are visited in the order of their spawning, so a child's child comes after it.
        """
        children = list(self._children.values())
        if not children:
            return
        nested = [child for child in children if child.parent_id in self._children]
        self._carry([child for child in children if child.parent_id not in self._children])
        for child in nested:
            self._carry([child])

    def _carry(self, children: Iterable[Actor]) -> None:
        pairs = [(child, child.relative) for child in children if child.relative is not None]
        if not pairs:
            return
        rows = [child.row for child, _ in pairs]
        parents = [self.actors[child.parent_id].row for child, _ in pairs]
        table = self.table
        location, rotation = compose(
            table.location[parents],
            table.rotation_deg[parents],
            np.array([relative.location for _, relative in pairs]),
            np.array([relative.rotation for _, relative in pairs]),
        )
        table.location[rows] = location
        table.rotation_deg[rows] = rotation
        table.velocity[rows] = table.velocity[parents]
        table.angular_velocity_dps[rows] = table.angular_velocity_dps[parents]
        table.acceleration[rows] = table.acceleration[parents]

    # Vehicles and walkers

    def show_fleet(self) -> None:
        """Copy what the vehicles did into the table."""
        fleet = self.fleet
        if not len(fleet):
            return
        rows = self.fleet_rows()
        poses = fleet.transforms()
        table = self.table
        table.location[rows] = poses[:, :3]
        table.rotation_deg[rows] = poses[:, 3:]
        table.velocity[rows] = fleet.velocities_mps()
        table.angular_velocity_dps[rows] = np.degrees(fleet.angular_velocities_radps())
        table.acceleration[rows] = fleet.accelerations_mps2()
        table.vehicle_state["gear"][rows] = fleet.gears()

    def fleet_rows(self) -> npt.NDArray[np.intp]:
        """Return the table row of each vehicle, in the order of the fleet."""
        if self._fleet_rows is None:
            ids = self.fleet.actor_ids.tolist()
            self._fleet_rows = np.array([self.actors[key].row for key in ids], dtype=np.intp)
        return self._fleet_rows

    def apply_vehicle_control(self, actor: Actor, control: VehicleControl) -> None:
        """Hand a control to a vehicle."""
        self.fleet.set_control(actor.actor_id, control)
        self.table.show_vehicle_control(actor.row, control)

    def apply_walker_control(self, actor: Actor, control: WalkerControl) -> None:
        """Hand a control to a walker."""
        self.table.show_walker_control(actor.row, control)


_FIXTURES = (ActorKind.TRAFFIC_LIGHT, ActorKind.TRAFFIC_SIGN)
