"""Writes what happens, one frame a step."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.physics.collision import Contact
from evaluation.simulator.physics.pose import place
from evaluation.simulator.recording.log_file import MOST_FILE_BYTES, LogFolder
from evaluation.simulator.recording.log_format import (
    CM_PER_M,
    FRAME_DURATION_OFFSET,
    LAYOUTS,
    NOBODY,
    AddedActor,
    FrameStart,
    LogHeader,
    Packet,
    RecordedKind,
    Records,
    added_packet,
    frame_packet,
    header_bytes,
    packet,
    records_packet,
    vector_cm,
)
from evaluation.simulator.wire.actor_records import AttributeValue, Description
from evaluation.simulator.wire.codec import Transform
from evaluation.simulator.wire.dialect import Dialect
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

logger = logging.getLogger(__name__)

Rows = npt.NDArray[np.intp]

_KINDS = {
    ActorKind.VEHICLE: RecordedKind.VEHICLE,
    ActorKind.WALKER: RecordedKind.WALKER,
    ActorKind.TRAFFIC_LIGHT: RecordedKind.TRAFFIC_LIGHT,
}
_FIXTURES = (ActorKind.TRAFFIC_LIGHT, ActorKind.TRAFFIC_SIGN)
_DETECTOR = "sensor.other.collision"
_FROM_FORWARD = [2, 0, 1]
"""Takes pitch, yaw, roll to roll, pitch, yaw."""


class Recorder:
    """Records one world until it is closed, the file is full or the disk fails.

    Args:
        additional: also velocities, boxes, times of lights and the machine's time.

    Attributes:
        path: where the recording is.
        is_open: whether it goes on.

    Raises:
        CallError: the file cannot be written.
    """

    def __init__(
        self, folder: LogFolder, name: str, world: World, dialect: Dialect, additional: bool
    ) -> None:
        self.path: Path
        self.path, self._file = folder.create(name)
        self.is_open = True
        self._world = world
        self._dialect = dialect
        self._additional = additional
        self._started_s = time.monotonic()
        self._frame = FrameStart(0, -1.0, 0.0)
        self._duration_place = 0
        self._collisions = 0
        self._membership = -1
        self._known: dict[int, int] = {}
        self._moving: Rows = np.zeros(0, np.intp)
        self._vehicles: Rows = self._moving
        self._walkers: Rows = self._moving
        self._detecting: frozenset[int] = frozenset()
        self._put(header_bytes(LogHeader(int(time.time()), world.town.name)))

    def close(self) -> None:
        """End the recording."""
        self.is_open = False
        try:
            self._file.close()
        except OSError as error:
            logger.error("%s: %s", self.path, error)

    def record(self, contacts: Sequence[Contact]) -> None:
        """Write a frame for the step that has just been made."""
        first = self._frame.number == 0
        delta_s = 0.0 if first else self._world.delta_s
        elapsed_s = self._frame.elapsed_s + delta_s
        self._frame = FrameStart(self._frame.number + 1, -1.0, elapsed_s)
        parts = [frame_packet(self._frame), *self._events(), self._contacts(contacts)]
        parts += [*self._poses(), *self._more(first), packet(Packet.FRAME_END)]
        try:
            self._write(b"".join(parts), delta_s)
        except OSError as error:
            logger.error("%s is given up: %s", self.path, error)
            self.close()
            return
        if self._file.tell() > MOST_FILE_BYTES:
            logger.error("%s is full (%d MiB): recording ends", self.path, MOST_FILE_BYTES >> 20)
            self.close()

    def _put(self, content: bytes) -> None:
        self._file.write(content)

    def _write(self, frame: bytes, delta_s: float) -> None:
        """Write a frame, and into the one before how long it has lasted."""
        end = self._file.tell()
        if self._duration_place:
            self._file.seek(self._duration_place)
            self._put(np.array(delta_s, "<f8").tobytes())
            self._file.seek(end)
        self._duration_place = end + FRAME_DURATION_OFFSET
        self._put(frame)
        # A killed simulator leaves whole frames behind.
        self._file.flush()

    # Events

    def _events(self) -> list[bytes]:
        """Return who came and who went since the last frame."""
        world = self._world
        added: list[Actor] = []
        gone: list[int] = []
        if self._membership != world.membership:
            self._membership = world.membership
            added = [actor for key, actor in world.actors.items() if key not in self._known]
            gone = [key for key in self._known if key not in world.actors]
            self._known = {key: actor.parent_id for key, actor in world.actors.items()}
            self._sort_rows()
        parents = [(actor.actor_id, actor.parent_id) for actor in added if actor.parent_id]
        events = [
            added_packet([self._added(actor) for actor in added]),
            records_packet(Packet.EVENT_DEL, _records(Packet.EVENT_DEL, id=gone)),
            _rows_of_tuples(Packet.EVENT_PARENT, parents),
        ]
        return events + (self._fixed_facts(added) if self._additional else [])

    def _added(self, actor: Actor) -> AddedActor:
        kind = _KINDS.get(actor.kind, RecordedKind.OTHER)
        return AddedActor(
            actor.actor_id, kind, self._world.transform(actor), self._description(actor)
        )

    def _description(self, actor: Actor) -> Description:
        """Return an actor's description with the values that its client left as they are."""
        chosen, blueprints = actor.description, self._world.blueprints
        if chosen.type_id not in blueprints:
            return chosen
        offset = self._dialect.first_attribute_type
        values = {
            attribute.name: AttributeValue(attribute.name, attribute.type + offset, attribute.value)
            for attribute in blueprints[chosen.type_id].definition.attributes
        }
        values.update({value.name: value for value in chosen.attributes})
        return chosen._replace(attributes=tuple(values.values()))

    def _sort_rows(self) -> None:
        """Look up which rows of the world's table move, and whose touches are felt."""
        free = [actor for actor in self._world.actors.values() if not actor.parent_id]
        moving = [actor for actor in free if actor.kind not in _FIXTURES]
        self._moving = _rows(moving)
        self._vehicles = _rows([actor for actor in moving if actor.is_vehicle])
        self._walkers = _rows([actor for actor in moving if actor.kind is ActorKind.WALKER])
        self._detecting = frozenset(
            actor.parent_id for actor in self._world.actors.values() if actor.type_id == _DETECTOR
        )

    def _contacts(self, contacts: Sequence[Contact]) -> bytes:
        """Return the touches of those that have a collision detector, as in CARLA."""
        found = []
        for contact in contacts:
            pair = (contact.actor_id, contact.other_id)
            for one, other in (pair, pair[::-1]):
                if one in self._detecting:
                    found.append(
                        (self._collisions, one, other or NOBODY, *self._heroes(one, other))
                    )
                    self._collisions += 1
        return _rows_of_tuples(Packet.COLLISION, found)

    def _heroes(self, *actor_ids: int) -> list[bool]:
        actors = [self._world.actors.get(actor_id) for actor_id in actor_ids]
        return [
            actor is not None and actor.description.value("role_name") == "hero" for actor in actors
        ]

    # States

    def _poses(self) -> list[bytes]:
        """Return where everybody is, what lights show and what drivers do."""
        world, table = self._world, self._world.table
        moving, vehicles, walkers = self._moving, self._vehicles, self._walkers
        state, walking = table.vehicle_state[vehicles], table.walker_state[walkers]
        lights = world.lights
        return [
            self._packet(
                Packet.POSITION,
                moving,
                location_cm=table.location[moving] * CM_PER_M,
                roll_pitch_yaw_deg=table.rotation_deg[moving][:, _FROM_FORWARD],
            ),
            self._packet(
                Packet.STATE,
                _rows(world.light_actors),
                frozen=lights.frozen,
                elapsed_s=lights.elapsed_s,
                state=lights.states,
            ),
            self._packet(
                Packet.VEHICLE,
                vehicles,
                **{name: state[name] for name in ("steer", "throttle", "brake", "gear")},
                hand_brake=state["hand_brake"],
            ),
            self._packet(Packet.WALKER, walkers, speed_mps=walking["speed_mps"]),
            self._packet(Packet.VEHICLE_LIGHT, vehicles, flags=self._lamps(vehicles)),
        ]

    def _lamps(self, vehicles: Rows) -> npt.NDArray[np.uint32]:
        ids = self._world.table.ids(vehicles).tolist()
        return np.array([self._world.actors[key].light_flags for key in ids], np.uint32)

    def _more(self, first: bool) -> list[bytes]:
        """Return what is only recorded where a client asks for additional data."""
        if not self._additional:
            return []
        table, bodies = self._world.table, np.concatenate([self._vehicles, self._walkers])
        platform_s = time.monotonic() - self._started_s
        more = [
            self._packet(
                Packet.KINEMATICS,
                bodies,
                velocity_mps=table.velocity[bodies],
                rate_dps=table.angular_velocity_dps[bodies],
            ),
            packet(Packet.PLATFORM_TIME, np.array(platform_s, "<f8").tobytes()),
        ]
        if first:
            lights = self._world.lights
            green_s, yellow_s, red_s = lights.times_s.T
            rows = _rows(self._world.light_actors)
            more.append(
                self._packet(
                    Packet.LIGHT_TIME, rows, green_s=green_s, yellow_s=yellow_s, red_s=red_s
                )
            )
        return more

    def _fixed_facts(self, added: Sequence[Actor]) -> list[bytes]:
        """Return the boxes of those that came: trigger volumes of fixtures, bodies of others."""
        fixtures = [actor for actor in added if actor.kind in _FIXTURES]
        others = [actor for actor in added if actor.kind not in _FIXTURES]
        return [
            _rows_of_tuples(kind, [self._box(actor) for actor in actors])
            for kind, actors in ((Packet.BOUNDING_BOX, others), (Packet.TRIGGER_VOLUME, fixtures))
        ]

    def _box(self, actor: Actor) -> tuple[int, list[float], list[float]]:
        """Return an actor's box: in the world for a fixture, in its own frame for others."""
        centre, extent = actor.bounding_box.location, actor.bounding_box.extent
        if actor.kind in _FIXTURES:
            centre = place(self._world.transform(actor), Transform(centre)).location
        return actor.actor_id, vector_cm(centre), vector_cm(extent)

    def _packet(self, kind: Packet, rows: Rows, **columns: npt.ArrayLike) -> bytes:
        return records_packet(kind, _records(kind, id=self._world.table.ids(rows), **columns))


def _rows(actors: Sequence[Actor]) -> Rows:
    return np.array([actor.row for actor in actors], np.intp)


def _records(kind: Packet, **columns: npt.ArrayLike) -> Records:
    """Return records of a packet from their columns."""
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    records = np.zeros(len(arrays["id"]), LAYOUTS[kind])
    for name, column in arrays.items():
        if len(column):
            records[name] = column
    return records


def _rows_of_tuples(kind: Packet, rows: Sequence[tuple[object, ...]]) -> bytes:
    return records_packet(kind, np.array(rows, LAYOUTS[kind]))
