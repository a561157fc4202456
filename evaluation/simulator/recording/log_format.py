"""CARLA's recorder file as bytes: a header, then packets of records, frame by frame.

Little-endian and without gaps; lengths in centimetres, angles in degrees in the order roll, pitch,
yaw, velocities in m/s and deg/s. Source: CARLA's ref_recorder_binary_file_format, and the files
themselves.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.simulator.wire.actor_records import AttributeValue, Description
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D
from evaluation.simulator.wire.errors import CallError

Records = npt.NDArray[np.void]

MAGIC = "CARLA_RECORDER"
VERSION = 1
CM_PER_M = 100.0
NOBODY = 0xFFFFFFFF
"""Stands for a part of the town where an actor's number is wanted."""
MOST_RECORDS = 0xFFFF
"""Records are counted in 16 bits."""


class Packet(IntEnum):
    """What a packet holds."""

    FRAME_START = 0
    FRAME_END = 1
    EVENT_ADD = 2
    EVENT_DEL = 3
    EVENT_PARENT = 4
    COLLISION = 5
    POSITION = 6
    STATE = 7
    VEHICLE = 8
    WALKER = 9
    VEHICLE_LIGHT = 10
    SCENE_LIGHT = 11
    KINEMATICS = 12
    BOUNDING_BOX = 13
    PLATFORM_TIME = 14
    PHYSICS_CONTROL = 15
    LIGHT_TIME = 16
    TRIGGER_VOLUME = 17


class RecordedKind(IntEnum):
    """What an actor is, as the file numbers it."""

    OTHER = 0
    VEHICLE = 1
    WALKER = 2
    TRAFFIC_LIGHT = 3


_ID = ("id", "<u4")
_BOX = np.dtype([_ID, ("origin_cm", "<f4", 3), ("extent_cm", "<f4", 3)])
LAYOUTS = {
    Packet.EVENT_DEL: np.dtype([_ID]),
    Packet.EVENT_PARENT: np.dtype([_ID, ("parent", "<u4")]),
    Packet.COLLISION: np.dtype(
        [("number", "<u4"), ("first", "<u4"), ("second", "<u4"), ("hero_1", "u1"), ("hero_2", "u1")]
    ),
    Packet.POSITION: np.dtype([_ID, ("location_cm", "<f4", 3), ("roll_pitch_yaw_deg", "<f4", 3)]),
    Packet.STATE: np.dtype([_ID, ("frozen", "u1"), ("elapsed_s", "<f4"), ("state", "u1")]),
    Packet.VEHICLE: np.dtype(
        [
            _ID,
            ("steer", "<f4"),
            ("throttle", "<f4"),
            ("brake", "<f4"),
            ("hand_brake", "u1"),
            ("gear", "<i4"),
        ]
    ),
    Packet.WALKER: np.dtype([_ID, ("speed_mps", "<f4")]),
    Packet.VEHICLE_LIGHT: np.dtype([_ID, ("flags", "<u4")]),
    Packet.KINEMATICS: np.dtype([_ID, ("velocity_mps", "<f4", 3), ("rate_dps", "<f4", 3)]),
    Packet.BOUNDING_BOX: _BOX,
    Packet.TRIGGER_VOLUME: _BOX,
    Packet.LIGHT_TIME: np.dtype([_ID, ("green_s", "<f4"), ("yellow_s", "<f4"), ("red_s", "<f4")]),
}
"""Packets whose records all have the same size."""

_COUNT = struct.Struct("<H")
_PACKET = struct.Struct("<BI")
_FRAME = struct.Struct("<Qdd")
_ADDED = struct.Struct("<IB6fI")
_DATE = struct.Struct("<q")
PACKET_BYTES = _PACKET.size
FRAME_DURATION_OFFSET = PACKET_BYTES + 8
"""Where in a frame's first packet its duration stands, which is known only one frame later."""


class DamagedLogError(CallError):
    """A file is no recording, or not one that can be read."""


class LogHeader(NamedTuple):
    """What a file begins with: when it was made (seconds since 1970) and in which town."""

    date_s: int
    town: str


class FrameStart(NamedTuple):
    """A frame's number from 1, how long it lasts, and when it begins, both in seconds."""

    number: int
    duration_s: float
    elapsed_s: float


class AddedActor(NamedTuple):
    """An actor that came: its number in the file, kind, pose (m, deg) and full description."""

    actor_id: int
    kind: int
    transform: Transform
    description: Description


def packet(kind: Packet, content: bytes = b"") -> bytes:
    """Return a packet with its head."""
    return _PACKET.pack(kind, len(content)) + content


def records_packet(kind: Packet, records: Records) -> bytes:
    """Return a packet of the first `MOST_RECORDS` of the records, of `LAYOUTS[kind]`."""
    kept = records[:MOST_RECORDS]
    return packet(kind, _COUNT.pack(len(kept)) + kept.tobytes())


def frame_packet(frame: FrameStart) -> bytes:
    """Return the packet that a frame begins with."""
    return packet(Packet.FRAME_START, _FRAME.pack(*frame))


def added_packet(added: Sequence[AddedActor]) -> bytes:
    """Return the packet of the actors that came."""
    kept = added[:MOST_RECORDS]
    return packet(Packet.EVENT_ADD, _COUNT.pack(len(kept)) + b"".join(map(_added, kept)))


def header_bytes(header: LogHeader) -> bytes:
    """Return what a file begins with."""
    return _COUNT.pack(VERSION) + _text(MAGIC) + _DATE.pack(header.date_s) + _text(header.town)


def _text(text: str) -> bytes:
    encoded = text.encode()[:MOST_RECORDS]
    return _COUNT.pack(len(encoded)) + encoded


def _added(actor: AddedActor) -> bytes:
    location, rotation = actor.transform
    description = actor.description
    parts = [
        _ADDED.pack(
            actor.actor_id,
            actor.kind,
            *(CM_PER_M * part for part in location),
            *(rotation.roll, rotation.pitch, rotation.yaw),
            description.uid & 0xFFFFFFFF,
        ),
        _text(description.type_id),
        _COUNT.pack(len(description.attributes)),
    ]
    for attribute in description.attributes:
        parts += [bytes([attribute.type & 0xFF]), _text(attribute.name), _text(attribute.value)]
    return b"".join(parts)


class Cursor:
    """Reads one packet's content from front to back.

    Raises:
        DamagedLogError: the content ends too early.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        end = self._place + count
        if end > len(self._content):
            raise DamagedLogError("the recording is damaged: a packet is shorter than its records")
        part = self._content[self._place : end]
        self._place = end
        return part

    def count(self) -> int:
        """Return the next number of 16 bits."""
        number: int = _COUNT.unpack(self.take(_COUNT.size))[0]
        return number

    def text(self) -> str:
        """Return the next text."""
        return self.take(self.count()).decode("utf-8", "replace")


def read_packet_head(head: bytes) -> tuple[int, int]:
    """Return the kind of a packet and the size of its content."""
    kind, size = _PACKET.unpack(head)
    return kind, size


def read_frame(content: bytes) -> FrameStart:
    """Read the packet that a frame begins with."""
    return FrameStart(*_FRAME.unpack(Cursor(content).take(_FRAME.size)))


def read_records(kind: Packet, content: bytes) -> Records:
    """Read the records of a packet of `LAYOUTS`."""
    cursor, layout = Cursor(content), LAYOUTS[kind]
    count = cursor.count()
    records: Records = np.frombuffer(cursor.take(count * layout.itemsize), layout)
    return records


def read_added(content: bytes) -> list[AddedActor]:
    """Read the actors that came."""
    cursor = Cursor(content)
    return [_read_added(cursor) for _ in range(cursor.count())]


def _read_added(cursor: Cursor) -> AddedActor:
    actor_id, kind, *numbers = _ADDED.unpack(cursor.take(_ADDED.size))
    *pose, uid = numbers
    type_id = cursor.text()
    attributes = []
    for _ in range(cursor.count()):
        number = cursor.take(1)[0]
        name, value = cursor.text(), cursor.text()
        attributes.append(AttributeValue(name, number, value))
    description = Description(uid, type_id, tuple(attributes))
    return AddedActor(actor_id, kind, pose_of(pose[:3], pose[3:]), description)


def pose_of(location_cm: Sequence[float], roll_pitch_yaw_deg: Sequence[float]) -> Transform:
    """Return a pose in metres and in CARLA's order of angles.

    Raises:
        DamagedLogError: the numbers are none that an actor may have.
    """
    roll, pitch, yaw = map(float, roll_pitch_yaw_deg)
    location = [float(part) / CM_PER_M for part in location_cm]
    try:
        return Transform.from_wire([location, Rotation(pitch, yaw, roll)])
    except ValueError as error:
        raise DamagedLogError(f"the recording is damaged: {error}") from error


def read_header(content: bytes) -> tuple[LogHeader, int]:
    """Read what a file begins with; return it and where the packets begin.

    Raises:
        DamagedLogError: it is no recording.
    """
    cursor = Cursor(content)
    try:
        cursor.count()
        magic = cursor.text()
    except DamagedLogError:
        magic = ""
    if magic != MAGIC:
        raise DamagedLogError("File is not a CARLA recorder")
    date_s = _DATE.unpack(cursor.take(_DATE.size))[0]
    town = cursor.text()
    header = header_bytes(LogHeader(date_s, town))
    return LogHeader(date_s, town), len(header)


def vector_cm(location: Vector3D) -> list[float]:
    """Return a place in centimetres."""
    return [CM_PER_M * part for part in location]
