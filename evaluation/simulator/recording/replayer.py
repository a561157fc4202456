"""Plays a recording back: moves the actors of a world where it says."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.physics.pose import place, relative_to
from evaluation.simulator.recording.log_file import Frame, LogReader
from evaluation.simulator.recording.log_format import (
    AddedActor,
    Packet,
    pose_of,
    read_added,
    read_records,
)
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import (
    Rotation,
    Transform,
    Vector3D,
    VehicleControl,
    WalkerControl,
)
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import SPECTATOR_TYPE, World

logger = logging.getLogger(__name__)

FASTEST_FACTOR = 100.0
FASTEST_SMOOTH_FACTOR = 2.0
"""Above it CARLA moves actors from frame to frame and not between frames."""
BEHIND = Transform(Vector3D(-10.0, 0.0, 5.0), Rotation(pitch=-25.0))
"""Where the spectator follows an actor from, in the actor's axes."""
_SAME_PLACE_M = 0.01
_SPAWN_HEIGHT_M = 1000.0
"""New actors come into being high above the town, where nothing is in their way."""
_TIME_SLACK_S = 1e-6
_PLAYED = frozenset(
    (
        Packet.EVENT_ADD,
        Packet.EVENT_DEL,
        Packet.EVENT_PARENT,
        Packet.POSITION,
        Packet.STATE,
        Packet.VEHICLE,
        Packet.WALKER,
        Packet.VEHICLE_LIGHT,
    )
)


class Stage(Protocol):
    """Where a recording is played."""

    @property
    def world(self) -> World:
        """The world whose actors are moved."""

    def spawn(self, description: Description, transform: Transform, parent_id: int = 0) -> Actor:
        """Create an actor."""

    def destroy(self, actor_id: int) -> bool:
        """Remove an actor."""


@dataclass
class ReplayWishes:
    """What clients set for this replay and the next ones."""

    time_factor: float = 1.0
    ignore_hero: bool = False
    ignore_spectator: bool = True


class Replayer:
    """One replay, from the moment at which it begins until it is closed.

    Args:
        until_s: when it ends by itself, in the recording's time.
        follow_id: the actor, as the file numbers it, that the spectator follows; 0: none.
        offset: where the spectator is then, in that actor's axes.

    Raises:
        DamagedLogError: the recording cannot be read.
    """

    def __init__(
        self,
        reader: LogReader,
        stage: Stage,
        wishes: ReplayWishes,
        begin_s: float,
        until_s: float,
        follow_id: int,
        offset: Transform,
        with_sensors: bool,
    ) -> None:
        self._reader = reader
        self._stage = stage
        self._wishes = wishes
        self._until_s = until_s
        self._follow_id = follow_id
        self._offset = offset
        self._with_sensors = with_sensors
        self._actors: dict[int, int] = {}
        self._spawned: set[int] = set()
        self._heroes: set[int] = set()
        self._frames: Iterator[Frame] = reader.frames(_PLAYED)
        self._current: Frame | None = None
        self._next = next(self._frames, None)
        self._time_s = begin_s
        self.is_over = False
        self._show()

    def step(self, delta_s: float) -> None:
        """Move on by a step of the world's time.

        Raises:
            DamagedLogError: the recording cannot be read on.
        """
        self._time_s += delta_s * self._wishes.time_factor
        self._show()
        self.is_over = self._time_s >= self._until_s - _TIME_SLACK_S

    def close(self, keep_actors: bool) -> None:
        """End the replay: its vehicles get their physics back and stand, its walkers too.

        Args:
            keep_actors: otherwise those that the replay has spawned are destroyed.
        """
        self._reader.close()
        if not keep_actors:
            for actor_id in self._spawned:
                self._stage.destroy(actor_id)
        for actor in self._played():
            self._let_go(actor)

    def _played(self) -> list[Actor]:
        """Return the actors that the replay has a hand in."""
        actors = self._stage.world.actors
        return [actors[key] for key in self._actors.values() if key in actors]

    def _let_go(self, actor: Actor) -> None:
        world = self._stage.world
        bodies = world.bodies_with(actor.actor_id)
        if bodies is None or actor.kind is ActorKind.PROP or self._is_left_alone(actor):
            return
        bodies.set_simulate_physics(actor.actor_id, True)
        if actor.is_vehicle:
            world.apply_vehicle_control(actor, VehicleControl())
        elif actor.kind is ActorKind.WALKER:
            world.apply_walker_control(actor, WalkerControl())

    # Frames

    def _show(self) -> None:
        """Go to the frame of this moment: events of all frames on the way, states of the last."""
        while self._next is not None and self._next.start.elapsed_s <= self._time_s + _TIME_SLACK_S:
            self._current, self._next = self._next, next(self._frames, None)
            self._run_events(self._current)
        if self._current is None:
            return
        self._pose_actors(self._current)
        for kind, content in self._current.packets:
            if kind == Packet.STATE:
                self._show_lights(content)
            elif kind == Packet.VEHICLE:
                self._press_pedals(content)
            elif kind == Packet.WALKER:
                self._show_walkers(content)
            elif kind == Packet.VEHICLE_LIGHT:
                self._switch_lamps(content)
        self._follow()

    def _actor(self, recorded_id: int) -> Actor | None:
        """Return the actor that plays a recorded one, where there is one to be moved."""
        actor = self._stage.world.actors.get(self._actors.get(recorded_id, 0))
        return None if actor is None or self._is_left_alone(actor) else actor

    def _is_left_alone(self, actor: Actor) -> bool:
        if actor.type_id == SPECTATOR_TYPE:
            return self._wishes.ignore_spectator
        return self._wishes.ignore_hero and actor.actor_id in self._heroes

    # Events

    def _run_events(self, frame: Frame) -> None:
        added: list[AddedActor] = []
        parents: dict[int, int] = {}
        gone: list[int] = []
        for kind, content in frame.packets:
            if kind == Packet.EVENT_ADD:
                added = read_added(content)
            elif kind == Packet.EVENT_PARENT:
                records = read_records(Packet.EVENT_PARENT, content)
                parents = dict(zip(records["id"].tolist(), records["parent"].tolist(), strict=True))
            elif kind == Packet.EVENT_DEL:
                gone = read_records(Packet.EVENT_DEL, content)["id"].tolist()
        for recorded_id in gone:
            self._dismiss(recorded_id)
        poses = {actor.actor_id: actor.transform for actor in added}
        for actor in added:
            parent_id = parents.get(actor.actor_id, 0)
            self._cast(actor, parent_id, poses.get(parent_id))

    def _dismiss(self, recorded_id: int) -> None:
        actor_id = self._actors.pop(recorded_id, 0)
        self._heroes.discard(actor_id)
        if actor_id in self._spawned:
            self._spawned.discard(actor_id)
            self._stage.destroy(actor_id)

    def _cast(self, added: AddedActor, parent_id: int, parent_pose: Transform | None) -> None:
        """Choose or create the actor that plays a recorded one."""
        actor = self._found(added) or self._created(added, parent_id, parent_pose)
        if actor is None:
            return
        self._actors[added.actor_id] = actor.actor_id
        if added.description.value("role_name") == "hero":
            self._heroes.add(actor.actor_id)
        bodies = self._stage.world.bodies_with(actor.actor_id)
        if bodies is not None and not self._is_left_alone(actor):
            bodies.set_simulate_physics(actor.actor_id, False)

    def _found(self, added: AddedActor) -> Actor | None:
        """Return the actor of this world that the recorded one is, if it is here already."""
        world, type_id = self._stage.world, added.description.type_id
        if type_id == SPECTATOR_TYPE:
            return world.spectator
        if type_id.startswith("traffic."):
            return self._fixture_at(added.transform.location)
        same = world.actors.get(added.actor_id)
        taken = added.actor_id in self._actors.values()
        return same if same is not None and same.type_id == type_id and not taken else None

    def _fixture_at(self, location: Vector3D) -> Actor | None:
        world = self._stage.world
        if not world.light_actors:
            return None
        rows = [actor.row for actor in world.light_actors]
        away_m = np.abs(world.table.location[rows] - location).max(axis=1)
        nearest = int(away_m.argmin())
        return world.light_actors[nearest] if away_m[nearest] <= _SAME_PLACE_M else None

    def _created(
        self, added: AddedActor, parent_id: int, parent_pose: Transform | None
    ) -> Actor | None:
        description, pose = added.description, added.transform
        is_sensor = description.type_id.startswith("sensor.")
        if description.type_id not in self._stage.world.blueprints:
            return None
        # Controllers of walkers live in the client that has started them.
        if description.type_id.startswith("controller.") or (is_sensor and not self._with_sensors):
            return None
        parent = self._actors.get(parent_id, 0)
        try:
            if parent and parent_pose is not None:
                return self._hired(description, relative_to(parent_pose, pose), parent)
            high = pose._replace(location=Vector3D(*pose.location[:2], _SPAWN_HEIGHT_M))
            actor = self._hired(description, high, 0)
        except (CallError, ValueError) as error:
            logger.warning("replay: %s cannot be spawned: %s", description.type_id, error)
            return None
        self._stage.world.set_transform(actor, pose)
        return actor

    def _hired(self, description: Description, transform: Transform, parent_id: int) -> Actor:
        actor = self._stage.spawn(description, transform, parent_id)
        self._spawned.add(actor.actor_id)
        return actor

    # States

    def _pose_actors(self, frame: Frame) -> None:
        here, there, share = _poses(frame), {}, 0.0
        smooth = self._wishes.time_factor <= FASTEST_SMOOTH_FACTOR
        if smooth and self._next is not None:
            there = _poses(self._next)
            gap_s = self._next.start.elapsed_s - frame.start.elapsed_s
            share = (self._time_s - frame.start.elapsed_s) / gap_s if gap_s > 0.0 else 0.0
        for recorded_id, pose in here.items():
            actor = self._actor(recorded_id)
            if actor is not None and actor.relative is None:
                goal = there.get(recorded_id, pose)
                self._stage.world.set_transform(actor, between(pose, goal, share))

    def _show_lights(self, content: bytes) -> None:
        world = self._stage.world
        first = world.light_actors[0].actor_id if world.light_actors else 0
        for recorded_id, frozen, elapsed_s, state in read_records(Packet.STATE, content).tolist():
            actor = self._actor(recorded_id)
            if actor is not None and actor.kind is ActorKind.TRAFFIC_LIGHT:
                world.lights.show(actor.actor_id - first, state, bool(frozen), elapsed_s)

    def _press_pedals(self, content: bytes) -> None:
        for recorded_id, steer, throttle, brake, hand_brake, gear in read_records(
            Packet.VEHICLE, content
        ).tolist():
            actor = self._actor(recorded_id)
            if actor is not None and actor.is_vehicle:
                values = [throttle, steer, brake, bool(hand_brake), gear < 0, False, gear]
                control = VehicleControl.from_wire(values)
                self._stage.world.apply_vehicle_control(actor, control)

    def _show_walkers(self, content: bytes) -> None:
        world = self._stage.world
        for recorded_id, speed_mps in read_records(Packet.WALKER, content).tolist():
            actor = self._actor(recorded_id)
            if actor is not None and actor.kind is ActorKind.WALKER:
                control = WalkerControl.from_wire([world.heading(actor), speed_mps, False])
                world.apply_walker_control(actor, control)

    def _switch_lamps(self, content: bytes) -> None:
        for recorded_id, flags in read_records(Packet.VEHICLE_LIGHT, content).tolist():
            actor = self._actor(recorded_id)
            if actor is not None:
                actor.light_flags = flags

    def _follow(self) -> None:
        """Put the spectator behind the actor that it follows."""
        world = self._stage.world
        actor = world.actors.get(self._actors.get(self._follow_id, 0))
        if self._follow_id and actor is not None:
            world.set_transform(world.spectator, place(world.transform(actor), self._offset))


def _poses(frame: Frame) -> dict[int, Transform]:
    """Return the poses of a frame by recorded actor."""
    for kind, content in frame.packets:
        if kind == Packet.POSITION:
            return {
                recorded_id: pose_of(location_cm, angles_deg)
                for recorded_id, location_cm, angles_deg in read_records(
                    Packet.POSITION, content
                ).tolist()
            }
    return {}


def between(pose: Transform, goal: Transform, share: float) -> Transform:
    """Return the pose at a share of the way to the next one, turned the short way round."""
    location = _mix(pose.location, goal.location, share)
    turns = [
        angle + share * ((other - angle + 180.0) % 360.0 - 180.0)
        for angle, other in zip(pose.rotation, goal.rotation, strict=True)
    ]
    return Transform(Vector3D(*location), Rotation(*turns))


def _mix(here: Sequence[float], there: Sequence[float], share: float) -> list[float]:
    return [a + share * (b - a) for a, b in zip(here, there, strict=True)]
