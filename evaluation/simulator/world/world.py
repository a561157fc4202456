"""The state of the simulated world: the only thing that changes while the simulator runs."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from evaluation.simulator.catalogue.blueprints import ActorKind, Blueprint, BlueprintLibrary
from evaluation.simulator.physics.attached import AttachedBoxes
from evaluation.simulator.physics.bodies import BodyTable
from evaluation.simulator.physics.collision import CollisionDetector
from evaluation.simulator.physics.pose import compose, place, rotation_matrix
from evaluation.simulator.physics.props import PropShelf
from evaluation.simulator.physics.vehicle import VehicleFleet, VehicleSpec
from evaluation.simulator.physics.walker import WalkerCrowd
from evaluation.simulator.town.shown import MapLayer
from evaluation.simulator.town.town import Town
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import (
    AckermannControl,
    BoundingBox,
    Transform,
    Vector3D,
    VehicleControl,
    WalkerControl,
    WeatherParameters,
    describe,
)
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.wire.settings_records import EpisodeSettings
from evaluation.simulator.world.ackermann import AckermannDrivers
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.actor_table import ActorTable
from evaluation.simulator.world.debug_shapes import DebugShapes
from evaluation.simulator.world.doors import OpenDoors
from evaluation.simulator.world.friction import FRICTION_TYPE, FrictionTriggers, Trigger
from evaluation.simulator.world.presence import Presence
from evaluation.simulator.world.ray_targets import RayTargets
from evaluation.simulator.world.speed_limits import SpeedLimits
from evaluation.simulator.world.street_lights import StreetLights
from evaluation.simulator.world.traffic_lights import TrafficLightCycle

logger = logging.getLogger(__name__)

IMU_GRAVITY_MPS2 = 9.81
"""What inertial units feel at rest; clients may set another value, which nothing else follows."""
SPECTATOR_TYPE = "spectator"
LIGHT_TYPE = "traffic.traffic_light"
_LIGHTS_STREAM = 1
"""Tells the random numbers of the traffic lights from those of the sensors."""


class World:
    """Everything that a tick or a call may change.

    Args:
        seed: seeds the noise of sensors.
        episode_id: number of the episode that this world is.
        first_actor_id: id of the first actor of this episode; ids are never used twice.
        frame: number of the last frame of the episode before.
        has_layers: whether the town has layers, and `layers` those with which the episode begins.

    Attributes:
        membership: changes whenever an actor comes or goes, or a door opens or shuts.
    """

    def __init__(
        self,
        town: Town,
        blueprints: BlueprintLibrary,
        seed: int,
        episode_id: int,
        first_actor_id: int = 1,
        settings: EpisodeSettings | None = None,
        frame: int = 0,
        *,
        has_layers: bool = False,
        layers: MapLayer = MapLayer.ALL,
    ) -> None:
        self.town = town
        self.blueprints = blueprints
        self.seed = seed
        self.episode_id = episode_id
        self.first_actor_id = first_actor_id
        self.settings = settings or EpisodeSettings()
        self.weather = WeatherParameters()
        self.imu_gravity_mps2 = IMU_GRAVITY_MPS2
        self.frame = frame
        self.elapsed_s = 0.0
        self.delta_s = 0.0
        self.actors: dict[int, Actor] = {}
        self.table = ActorTable()
        self.fleet = VehicleFleet()
        self.crowd = WalkerCrowd()
        self.props = PropShelf()
        self.ackermann = AckermannDrivers()
        self.friction = FrictionTriggers()
        self.doors = OpenDoors()
        self.debug_shapes = DebugShapes()
        self.street_lights = StreetLights(town.scenery.street_lamps)
        self.membership = 0
        self._fleeting: set[int] = set()
        self._next_id = self.first_actor_id
        self._rows: list[Actor] = []
        self._children: dict[int, Actor] = {}
        self._rows_membership = -1
        self._body_rows: dict[int, npt.NDArray[np.intp]] = {}
        spectator = Description(0, SPECTATOR_TYPE)
        self.spectator = self._enrol(ActorKind.OTHER, spectator, BoundingBox(), Transform())
        # Fixtures come first and stay: their rows never change.
        town = self.town
        self.lights = TrafficLightCycle(
            town.traffic_lights, np.random.default_rng([self.seed & 0xFFFFFFFF, _LIGHTS_STREAM])
        )
        light, sign = ActorKind.TRAFFIC_LIGHT, ActorKind.TRAFFIC_SIGN
        self.speed_limits = SpeedLimits(town)
        static = town.scenery.static_boxes()
        self.collisions = CollisionDetector(static)
        self.ray_targets = RayTargets(static)
        self.presence = Presence(town.scenery, has_layers=has_layers, loaded=layers)
        self.let_stand()
        self.light_actors = [
            self._add_fixture(light, LIGHT_TYPE, spec.sign_id, spec.transform, spec.trigger_box)
            for spec in town.traffic_lights
        ]
        for spec in town.traffic_signs:
            self._add_fixture(sign, spec.type_id, spec.sign_id, spec.transform, spec.trigger_box)

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

    def set_weather(self, weather: WeatherParameters) -> None:
        """Change the weather; street lamps go on and off with the sun."""
        self.weather = weather
        self.street_lights.see(weather)

    # Hiding what belongs to the town

    def enable_objects(self, rows: Iterable[int], *, enabled: bool) -> None:
        """Show or hide things of the town by their rows in `Scenery.static_boxes()`."""
        self.presence.enable(rows, enabled=enabled)
        self.let_stand()

    def load_layers(self, layers: int, *, loaded: bool) -> None:
        """Load or unload layers (bits of MapLayer) of a town that has them."""
        (self.presence.load if loaded else self.presence.unload)(layers)
        self.let_stand()
        self.street_lights.announce()

    def let_stand(self) -> None:
        """Have bodies bump into what is there, and into nothing else."""
        shown = self.presence.shown
        self.collisions.let_stand(None if shown is None else shown.boxes)

    # Spawning and destroying

    def blueprint(self, type_id: str) -> Blueprint:
        """Return a blueprint; raise `CallError` for an unknown id."""
        if type_id not in self.blueprints:
            raise CallError(f"the simulator has no blueprint {describe(type_id)}")
        return self.blueprints[type_id]

    def spawn(self, description: Description, transform: Transform, parent_id: int = 0) -> Actor:
        """Create an actor at `transform`, relative to its parent if it has one.

        Raises:
            CallError: unknown blueprint or parent, or something stands there already.
        """
        blueprint = self.blueprint(description.type_id)
        relative = None
        if blueprint.collides and not parent_id and self._is_taken(transform, blueprint):
            raise CallError("Spawn failed because of collision at spawn position")
        if parent_id:
            relative = transform
            transform = place(self.transform(self.actor(parent_id)), relative)
        box = blueprint.bounding_box
        trigger = Trigger.of(description) if description.type_id == FRICTION_TYPE else None
        if trigger is not None:
            box = BoundingBox(Vector3D(), trigger.half_extent_m)
        actor = self._enrol(blueprint.kind, description, box, transform)
        if trigger is not None:
            self.friction.add(actor.actor_id, trigger)
        actor.semantic_tag = blueprint.semantic_tag
        if relative is not None:
            actor.parent_id = parent_id
            actor.relative = relative
            self._children[actor.actor_id] = actor
        else:
            self._give_body(actor, blueprint, transform)
        return actor

    def _give_body(self, actor: Actor, blueprint: Blueprint, transform: Transform) -> None:
        """Let the physics move an actor that is not fixed to another."""
        box = blueprint.bounding_box
        model = blueprint.model
        if model is not None:
            spec = VehicleSpec.for_class(model.base_type, box.extent, model.steer_share)
            self.fleet.add(actor.actor_id, spec, transform)
        elif actor.kind is ActorKind.WALKER:
            self.crowd.add(actor.actor_id, box.extent, transform)
        elif actor.kind is ActorKind.PROP:
            self.props.add(actor.actor_id, box, transform)
            self.props.set_collisions(actor.actor_id, blueprint.collides)

    def _is_taken(self, transform: Transform, blueprint: Blueprint) -> bool:
        box = blueprint.bounding_box
        attached = self.attached_boxes()
        return self.collisions.overlaps_at(transform, box, self.body_tables(), attached)

    def bodies_with(self, actor_id: int) -> BodyTable | None:
        """Return the table in which an actor's body moves, None for actors without physics."""
        for bodies in self.body_tables():
            if actor_id in bodies:
                return bodies
        return None

    def body_tables(self) -> tuple[BodyTable, ...]:
        """Return the tables of all moving bodies."""
        return self.fleet, self.crowd, self.props

    def _add_fixture(
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
        self.ackermann.forget(actor_id)
        self.friction.forget(actor_id)
        self.doors.forget(actor_id)
        self._children.pop(actor_id, None)
        bodies = self.bodies_with(actor_id)
        if bodies is not None:
            bodies.remove(actor_id)
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
        bodies = self.bodies_with(actor.actor_id)
        if bodies is not None:
            bodies.teleport(actor.actor_id, transform)

    def heading(self, actor: Actor) -> Vector3D:
        """Return the unit vector along an actor's x axis, in the world."""
        forward = rotation_matrix(self.transform(actor).rotation)[:, 0].tolist()
        return Vector3D(*forward)

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

    def set_collides(self, actor: Actor, enabled: bool) -> None:
        """Switch whether others bump into an actor."""
        bodies = self.bodies_with(actor.actor_id)
        if bodies is not None:
            bodies.set_collisions(actor.actor_id, enabled)

    # Vehicles and walkers

    def set_door(self, actor: Actor, door: int, is_open: bool) -> None:
        """Open or shut a door (carla.VehicleDoor) of a vehicle, if it has doors that open."""
        model = self.blueprint(actor.type_id).model
        if model is None or not model.has_dynamic_doors:
            return
        if self.doors.set_open(actor.actor_id, door, is_open):
            self.membership += 1
            self.collisions.look_at(actor.actor_id)

    def attached_boxes(self) -> AttachedBoxes:
        """Return what sticks out of bodies: their open doors."""
        return self.doors.boxes(self.actors)

    def show_bodies(self) -> None:
        """Copy where the physics have taken the bodies into the table."""
        table = self.table
        for bodies in self.body_tables():
            if not len(bodies):
                continue
            rows = self.rows_of(bodies)
            poses = bodies.transforms()
            table.location[rows] = poses[:, :3]
            table.rotation_deg[rows] = poses[:, 3:]
            table.velocity[rows] = bodies.velocities_mps()
            table.angular_velocity_dps[rows] = np.degrees(bodies.angular_velocities_radps())
            table.acceleration[rows] = bodies.accelerations_mps2()

    def rows_of(self, bodies: BodyTable) -> npt.NDArray[np.intp]:
        """Return the table row of each body, in the order of `bodies`."""
        if self._rows_membership != self.membership:
            self._rows_membership = self.membership
            self._body_rows = {
                id(item): np.array([self.actors[i].row for i in item.actor_ids.tolist()], np.intp)
                for item in self.body_tables()
            }
        return self._body_rows[id(bodies)]

    def apply_vehicle_control(self, actor: Actor, control: VehicleControl) -> None:
        """Hand a control to a vehicle: for good, or for one step where `sticky_control` is off."""
        self.ackermann.forget(actor.actor_id)
        self._hand_over(actor, control)
        if actor.description.value("sticky_control", "true").lower() == "false":
            self._fleeting.add(actor.actor_id)

    def _hand_over(self, actor: Actor, control: VehicleControl) -> None:
        if actor.actor_id in self.fleet:
            self.fleet.set_control(actor.actor_id, control)
        self.table.show_vehicle_control(actor.row, control)

    def apply_ackermann_control(self, actor: Actor, control: AckermannControl) -> None:
        """Hand a vehicle over to its Ackermann controller, until the next pedals."""
        if actor.actor_id in self.fleet:
            self.ackermann.follow(actor.actor_id, control)

    def drive_by_ackermann(self, duration_s: float) -> None:
        """Let the Ackermann controllers press the pedals of their vehicles."""
        for actor_id, control in self.ackermann.controls(self.fleet, duration_s):
            self._hand_over(self.actors[actor_id], control)

    def change_tyres(self) -> None:
        """Give vehicles in friction triggers the tyres that they have there."""
        self.friction.step(self.fleet, lambda actor_id: self.transform(self.actors[actor_id]))

    def release_pedals(self) -> None:
        """Take back the controls of vehicles whose pedals do not stick, after the step."""
        for actor_id in self._fleeting:
            if actor_id in self.fleet:
                self.fleet.set_control(actor_id, VehicleControl())
        self._fleeting.clear()

    def apply_walker_control(self, actor: Actor, control: WalkerControl) -> None:
        """Hand a control to a walker."""
        if actor.actor_id in self.crowd:
            self.crowd.set_control(actor.actor_id, control)
        self.table.show_walker_control(actor.row, control)


_FIXTURES = (ActorKind.TRAFFIC_LIGHT, ActorKind.TRAFFIC_SIGN)
