"""A recorded session: everything that an agent was given, and what it answered, tick by tick.

A session is a folder of three files, written as the drive goes, so that what a killed drive leaves
can be read up to its last whole tick:

* `session.json`: agent, its config and sensors, the plans that it was given, the conditions;
* `ticks.msgpack`: one map a tick: readings, plan, control, and what the criteria saw;
* `images.h264`: the images (`session_images.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import repeat
from pathlib import Path
from typing import IO, Any

import av
import carla
import msgpack
import numpy as np
from numpy.typing import NDArray

from evaluation.closed_loop.sensor_interface import SensorData, Spec
from evaluation.closed_loop.session_images import LOSSLESS, ImageWriter, read_images
from evaluation.errors import UserError
from evaluation.scoring.tick import CollisionEvent, Tick
from planner.records import Command, Plan

Json = dict[str, Any]

FORMAT = 1
HEADER_FILE, TICKS_FILE, IMAGES_FILE = "session.json", "ticks.msgpack", "images.h264"
SAME = "same"
"""Stands for a reading that is what it was in the tick before, such as the map's text."""


class SessionError(UserError, ValueError):
    """A folder that holds no session that can be read; the message says what is wrong."""


@dataclass(frozen=True)
class TracedTick:
    """One recorded tick.

    tick: what the criteria saw; inputs: as the agent got them; plan: what it planned, None where it
    planned nothing or does not tell; answer: throttle, steer and brake that it answered with;
    by_person: whether a person drove.
    """

    tick: Tick
    inputs: SensorData
    plan: Plan | None
    answer: tuple[float, float, float]
    by_person: bool = False


@dataclass(frozen=True)
class Header:
    """What holds for the whole session. gps_plan, world_plan: rows of latitude, longitude, z and
    command, and of x, y, z, yaw (degrees, as CARLA has it) and command; runs_on: what computed the
    agent's network, as it told ("onnx on cpu"), "" where it does not."""

    agent: str
    agent_config: str
    specs: tuple[Json, ...]
    gps_plan: tuple[tuple[float, ...], ...]
    world_plan: tuple[tuple[float, ...], ...]
    town: str
    route: str
    conditions: Json
    runs_on: str = ""
    format: int = FORMAT

    def plans(self) -> tuple[list[Any], list[Any]]:
        """For an agent's `set_global_plan`."""
        gps = [
            ({"lat": lat, "lon": lon, "z": z}, Command(int(command)))
            for lat, lon, z, command in self.gps_plan
        ]
        world = [
            (
                carla.Transform(carla.Location(x, y, z), carla.Rotation(yaw=yaw)),
                Command(int(command)),
            )
            for x, y, z, yaw, command in self.world_plan
        ]
        return gps, world


class SessionWriter:
    """Appends ticks to a session's files; `close` ends them and may be called again.

    video: options of the encoder; anything but the lossless ones changes the inputs.
    """

    def __init__(self, folder: Path, header: Header, video: Mapping[str, str] = LOSSLESS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_header(folder, header)
        self._cameras = cameras_in(header.specs)
        self._ticks: IO[bytes] = (folder / TICKS_FILE).open("wb")
        self._images = ImageWriter(folder / IMAGES_FILE, video) if self._cameras else None
        self._before: Json = {}

    def write(self, traced: TracedTick) -> None:
        """Append one tick."""
        # Images first: a tick is complete when its map is there.
        images_bytes = 0
        if self._images is not None:
            images_bytes = self._images.write([traced.inputs[name][1] for name in self._cameras])
        readings = {
            name: _packed(value)
            for name, (_, value) in traced.inputs.items()
            if name not in self._cameras
        }
        record = {
            "readings": self._shortened(readings),
            "tick": self._shortened(_plain_tick(traced.tick)),
            "plan": plain_plan(traced.plan),
            "answer": traced.answer,
            "by_person": traced.by_person,
            "images_bytes": images_bytes,
        }
        self._ticks.write(msgpack.packb(record))
        self._ticks.flush()

    def _shortened(self, values: Json) -> Json:
        """The values, less those that are what they were in the tick before."""
        short = {
            name: SAME if name in self._before and self._before[name] == value else value
            for name, value in values.items()
        }
        self._before.update(values)
        return short

    def close(self) -> None:
        self._ticks.close()
        if self._images is not None:
            self._images.close()


def cameras_in(specs: Sequence[Spec]) -> tuple[str, ...]:
    """Ids of the sensors that give images, in order."""
    return tuple(str(spec["id"]) for spec in specs if str(spec["type"]).startswith("sensor.camera"))


def size_bytes(folder: Path) -> int:
    """What a session takes on the disk."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def write_header(folder: Path, header: Header) -> None:
    """Write what a session's ticks have in common into its folder."""
    text = json.dumps(vars(header), default=str) + "\n"
    (folder / HEADER_FILE).write_text(text, encoding="utf-8")


def read_header(folder: Path) -> Header:
    """Raises SessionError for a folder that holds no session of this program's format."""
    path = folder / HEADER_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.get("format")
        if version != FORMAT:
            raise SessionError(
                f"{path}: a session of format {version}, this program reads {FORMAT}; record it "
                "anew with drive --record-inputs"
            )
        return Header(
            agent=str(content["agent"]),
            agent_config=str(content["agent_config"]),
            specs=tuple(dict(spec) for spec in content["specs"]),
            gps_plan=tuple(tuple(row) for row in content["gps_plan"]),
            world_plan=tuple(tuple(row) for row in content["world_plan"]),
            town=str(content["town"]),
            route=str(content["route"]),
            conditions=dict(content["conditions"]),
            runs_on=str(content.get("runs_on", "")),
        )
    except SessionError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SessionError(
            f"{folder}: holds no session ({type(error).__name__}: {error}); drive --record-inputs "
            f"writes one, a folder with {HEADER_FILE}"
        ) from None


def read_ticks(folder: Path, header: Header) -> Iterator[TracedTick]:
    """The ticks of a session, in order, as far as they are whole.

    Raises SessionError where the files hold something else.
    """
    specs = {str(spec["id"]): spec for spec in header.specs}
    names = cameras_in(header.specs)
    shapes = [(int(specs[name]["height"]), int(specs[name]["width"])) for name in names]
    before: Json = {}
    try:
        images = read_images(folder / IMAGES_FILE, shapes) if names else repeat([])
        whole_bytes = (folder / IMAGES_FILE).stat().st_size if names else 0
        for record, views in zip(read_records(folder / TICKS_FILE), images, strict=False):
            if record["images_bytes"] > whole_bytes:
                # The decoder makes up what is missing of a frame.
                return
            readings, tick = (_restored(record[part], before) for part in ("readings", "tick"))
            moment = Tick(**_tick_fields(tick))
            inputs = dict(zip(names, ((moment.frame, view) for view in views), strict=True))
            inputs |= {name: (moment.frame, _unpacked(one)) for name, one in readings.items()}
            throttle, steer, brake = record["answer"]
            plan = _read_plan(record["plan"])
            yield TracedTick(moment, inputs, plan, (throttle, steer, brake), record["by_person"])
    except (OSError, ValueError, KeyError, TypeError, av.FFmpegError) as error:
        raise SessionError(
            f"{folder}: damaged, its {TICKS_FILE} or {IMAGES_FILE} cannot be read "
            f"({type(error).__name__}: {error}); record the session anew"
        ) from error


def count_ticks(folder: Path) -> int:
    """Number of whole records in a session, with or without their images."""
    return sum(1 for _ in read_records(folder / TICKS_FILE))


def read_records(path: Path) -> Iterator[Json]:
    """Records up to the end, or up to where the file was cut."""
    with path.open("rb") as file:
        for record in msgpack.Unpacker(file, max_buffer_size=1 << 28):
            if not isinstance(record, dict):
                raise ValueError(f"expected a map a tick, got {type(record).__name__}")
            yield record


def _restored(values: Json, before: Json) -> Json:
    full = {name: before[name] if one == SAME else one for name, one in values.items()}
    before.update(full)
    return full


def _plain_tick(tick: Tick) -> Json:
    plain = {field.name: _packed(getattr(tick, field.name)) for field in fields(tick)}
    plain["red_light_ids"] = sorted(tick.red_light_ids)
    plain["collisions"] = [list(vars(event).values()) for event in tick.collisions]
    return plain


def _tick_fields(plain: Json) -> Json:
    values = {name: _unpacked(value) for name, value in plain.items()}
    values["red_light_ids"] = frozenset(plain["red_light_ids"])
    values["collisions"] = tuple(CollisionEvent(*event) for event in plain["collisions"])
    return values


def plain_plan(plan: Plan | None) -> list[Any] | None:
    """A plan as a record holds it."""
    if plan is None:
        return None
    points = [_packed(_smallest(one)) for one in (plan.route_ego_m, plan.waypoints_ego_m)]
    return [*points, plan.waypoint_interval_s]


def _read_plan(plain: Sequence[Any] | None) -> Plan | None:
    if plain is None:
        return None
    route, waypoints = (_unpacked(one).astype(np.float64) for one in plain[:2])
    return Plan(route, waypoints, plain[2])


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "shape": list(value.shape), "bytes": value.tobytes()}
    return value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict) and "bytes" in value:
        array = np.frombuffer(value["bytes"], dtype=np.dtype(value["dtype"]))
        return array.reshape(value["shape"]).copy()
    return value


def _smallest(points: NDArray[np.float64]) -> NDArray[Any]:
    """As 32-bit numbers where that loses nothing, as for what comes from the network."""
    short = points.astype(np.float32)
    return short if np.array_equal(short, points, equal_nan=True) else points
