"""What a recording holds, frame by frame, as a text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from evaluation.simulator.recording.log_file import LogReader
from evaluation.simulator.recording.log_format import (
    CM_PER_M,
    FrameStart,
    Packet,
    read_added,
    read_records,
)
from evaluation.simulator.recording.log_text import opening

_EVENTS = frozenset((Packet.EVENT_ADD, Packet.EVENT_DEL, Packet.EVENT_PARENT, Packet.COLLISION))
_LAMPS = (
    (1, "Position"),
    (2, "LowBeam"),
    (4, "HighBeam"),
    (8, "Brake"),
    (16, "RightBlinker"),
    (32, "LeftBlinker"),
    (64, "Reverse"),
    (256, "Interior"),
    (128, "Fog"),
    (512, "Special1"),
    (1024, "Special2"),
)


def file_info(reader: LogReader, show_all: bool) -> str:
    """Return what the recording holds: its events, and with `show_all` all states, too.

    Raises:
        DamagedLogError: the recording cannot be read.
    """
    text = opening(reader)
    last = FrameStart(0, 0.0, 0.0)
    for frame in reader.frames(frozenset(_WRITERS) if show_all else _EVENTS):
        last = frame.start
        if text.is_full:
            continue
        lines = [
            line for kind, content in frame.packets for line in _WRITERS[Packet(kind)](content)
        ]
        if lines or show_all:
            text.add(f"Frame {last.number} at {last.elapsed_s:g} seconds")
            for line in lines:
                text.add(line)
    return text.end(last)


def _vector(values: list[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"


def _added_lines(content: bytes) -> Iterator[str]:
    for actor in read_added(content):
        description = actor.description
        place = _vector([CM_PER_M * part for part in actor.transform.location])
        yield f" Create {actor.actor_id}: {description.type_id} ({actor.kind}) at {place}"
        for attribute in description.attributes:
            yield f"  {attribute.name} = {attribute.value}"


def _collision_lines(content: bytes) -> Iterator[str]:
    for record in read_records(Packet.COLLISION, content).tolist():
        number, first, second, hero_1, hero_2 = record
        marks = [" (hero) " if hero else "" for hero in (hero_1, hero_2)]
        yield f" Collision id {number} between {first}{marks[0]} with {second}{marks[1]}"


def _lines_of(kind: Packet, title: str, form: Callable[..., str]) -> Callable[[bytes], list[str]]:
    """Return what writes a packet of equal records: a title with their number, a line each."""

    def write(content: bytes) -> list[str]:
        records = read_records(kind, content)
        head = [f" {title}: {len(records)}"] if title else []
        return head + [form(*record) for record in records.tolist()]

    return write


def _lamp_names(flags: int) -> str:
    return " ".join(name for bit, name in _LAMPS if flags & bit) or "None"


def _time_lines(content: bytes) -> list[str]:
    seconds = float(np.frombuffer(content[:8], "<f8")[0]) if len(content) >= 8 else 0.0
    return [f" Current platform time: {seconds:g}"]


def _box_form(key: int, origin: list[float], extent: list[float]) -> str:
    return f"  Id: {key} origin: {_vector(origin)} extension: {_vector(extent)}"


_WRITERS: dict[Packet, Callable[[bytes], Iterator[str] | list[str]]] = {
    Packet.EVENT_ADD: _added_lines,
    Packet.EVENT_DEL: _lines_of(Packet.EVENT_DEL, "", lambda key: f" Destroy {key}"),
    Packet.EVENT_PARENT: _lines_of(
        Packet.EVENT_PARENT, "", lambda key, parent: f" Parenting {key} with {parent} (parent)"
    ),
    Packet.COLLISION: _collision_lines,
    Packet.POSITION: _lines_of(
        Packet.POSITION,
        "Positions",
        lambda key, place, turn: (
            f"  Id: {key} Location: {_vector(place)} Rotation: {_vector(turn)}"
        ),
    ),
    Packet.STATE: _lines_of(
        Packet.STATE,
        "State traffic lights",
        lambda key, frozen, elapsed, state: (
            f"  Id: {key} state: {state} frozen: {frozen} elapsedTime: {elapsed:g}"
        ),
    ),
    Packet.VEHICLE: _lines_of(
        Packet.VEHICLE,
        "Vehicle animations",
        lambda key, steer, throttle, brake, hand, gear: (
            f"  Id: {key} Steering: {steer:g} Throttle: {throttle:g} Brake: {brake:g} "
            f"Handbrake: {hand} Gear: {gear}"
        ),
    ),
    Packet.WALKER: _lines_of(
        Packet.WALKER, "Walker animations", lambda key, speed: f"  Id: {key} speed: {speed:g}"
    ),
    Packet.VEHICLE_LIGHT: _lines_of(
        Packet.VEHICLE_LIGHT,
        "Vehicle light animations",
        lambda key, flags: f"  Id: {key} {_lamp_names(flags)}",
    ),
    Packet.KINEMATICS: _lines_of(
        Packet.KINEMATICS,
        "Dynamic actors",
        lambda key, speed, rate: (
            f"  Id: {key} linear_velocity: {_vector(speed)} angular_velocity: {_vector(rate)}"
        ),
    ),
    Packet.BOUNDING_BOX: _lines_of(Packet.BOUNDING_BOX, "Actor bounding boxes", _box_form),
    Packet.TRIGGER_VOLUME: _lines_of(Packet.TRIGGER_VOLUME, "Actor trigger volumes", _box_form),
    Packet.PLATFORM_TIME: _time_lines,
    Packet.LIGHT_TIME: _lines_of(
        Packet.LIGHT_TIME,
        "Traffic Light time events",
        lambda key, green, yellow, red: (
            f"  Id: {key} green_time: {green:g} yellow_time: {yellow:g} red_time: {red:g}"
        ),
    ),
}
