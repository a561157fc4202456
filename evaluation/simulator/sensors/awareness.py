"""Cooperative awareness messages: when a station sends one, and what it says of itself.

ETSI EN 302 637-2 has the rules and TS 102 894-2 the units. Where CARLA 0.9.16 (`CaService`) departs
from the latter, this does as well: the acceleration is what an accelerometer feels, weight
included, and yaw rates and lateral accelerations are positive to the right. Lengths and widths are
in the norm's tenths of a metre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evaluation.simulator.catalogue.blueprints import ActorKind
from evaluation.simulator.physics.pose import rotation_matrix
from evaluation.simulator.sensors.geo_frame import GeoFrame
from evaluation.simulator.wire.actor_records import Description
from evaluation.simulator.wire.codec import WireError, real
from evaluation.simulator.wire.v2x_records import CAM_RECORD, empty_record
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.world import World

PROTOCOL_VERSION = 2
CAM_MESSAGE = 2
_MOVED_M, _TURNED_DEG, _FASTER_MPS = 4.0, 4.0, 0.5
_LOW_DYNAMICS_LIMIT = 3
"""N_GenCam of the norm: after so many messages without a reason the interval is the longest."""
_SLOW_PART_S = 0.5
ROADSIDE_S = 0.5
"""Interval of the messages of road-side units, in CARLA."""
_SLACK_S = 1e-6

PEDESTRIAN, EMERGENCY, ROADSIDE_UNIT = 1, 10, 15
_STATION_TYPES = {12: PEDESTRIAN, 14: 5, 15: 7, 16: 6, 18: 4, 19: 2}
"""Semantic tag -> station type."""
_PUBLIC_TRANSPORT, _EMERGENCY_ROLE = 1, 6
_ROLES = {6: _PUBLIC_TRANSPORT, EMERGENCY: _EMERGENCY_ROLE}
_VEHICLE_PART, _ROADSIDE_PART = 1, 2
_UNKNOWN_AXIS, _UNKNOWN_HEADING, _UNKNOWN_ALTITUDE_CONFIDENCE = 4095, 3601, 15
_UNKNOWN_ACCELERATION, _UNKNOWN_ACCELERATION_CONFIDENCE = 161, 102
_UNKNOWN_CURVATURE, _UNKNOWN_CURVATURE_CONFIDENCE = 30001, 7
_UNKNOWN_YAW_RATE, _UNKNOWN_YAW_RATE_CONFIDENCE = 32767, 8
_UNKNOWN_LENGTH_CONFIDENCE = 4
_HEADING_WITHIN_1_DEG, _SPEED_WITHIN_3_CMPS = 10, 3
_FASTEST = 16382
_LIGHT_BITS = ((1, 0), (2, 7), (4, 6), (16, 4), (32, 5), (64, 2), (128, 1))
"""Bits of carla.VehicleLightState and of the message's lights: position, low beam, high beam,
right and left blinker, reverse, fog."""


class Motion(NamedTuple):
    """What decides whether a message is due: place (m), heading (deg) and speed (m/s)."""

    place: tuple[float, float, float]
    heading_deg: float
    speed_mps: float

    def has_changed(self, last: Motion) -> bool:
        """Whether others have to learn of the difference."""
        turned_deg = abs((self.heading_deg - last.heading_deg + 180.0) % 360.0 - 180.0)
        return (
            turned_deg > _TURNED_DEG
            or math.dist(self.place, last.place) > _MOVED_M
            or abs(self.speed_mps - last.speed_mps) > _FASTER_MPS
        )


@dataclass
class CamRhythm:
    """When the next message is due.

    Attributes:
        sent_s, slow_sent_s: when the last message went out, and the last with the slow part.
        interval_s: the longest pause at present.
        calm: messages in a row that nothing but time has brought about.
        last: the motion that the last message told of.
    """

    shortest_s: float
    longest_s: float
    is_fixed: bool
    interval_s: float
    sent_s: float = -math.inf
    slow_sent_s: float = -math.inf
    calm: int = 0
    last: Motion | None = None

    @classmethod
    def of(cls, description: Description) -> CamRhythm:
        """Read `gen_cam_min`, `gen_cam_max` and `fixed_rate`.

        Raises:
            WireError: out of range, or the shortest pause is longer than the longest.
        """

        def read(name: str, default: float) -> float:
            value = description.number(name, default)
            return real(f"{description.type_id}: {name}", value, 0.0, 1e6)

        shortest_s, longest_s = read("gen_cam_min", 0.1), read("gen_cam_max", 1.0)
        if shortest_s > longest_s:
            raise WireError(
                f"{description.type_id}: gen_cam_min {shortest_s:g} is above gen_cam_max"
                f" {longest_s:g}"
            )
        is_fixed = description.value("fixed_rate", "false").lower() == "true"
        return cls(shortest_s, longest_s, is_fixed, longest_s)

    def is_due(self, now_s: float, motion: Motion | None) -> bool:
        """Whether a station sends now; `motion` is None for those that stand for ever."""
        pause_s = now_s - self.sent_s + _SLACK_S
        if motion is None:
            return self._send(now_s, None) if pause_s >= ROADSIDE_S else False
        if pause_s < self.shortest_s:
            return False
        if self.is_fixed:
            return self._send(now_s, motion)
        if self.last is None or motion.has_changed(self.last):
            self.interval_s, self.calm = min(pause_s - _SLACK_S, self.longest_s), 0
            return self._send(now_s, motion)
        if pause_s < self.interval_s:
            return False
        self.calm += 1
        if self.calm >= _LOW_DYNAMICS_LIMIT:
            self.interval_s = self.longest_s
        return self._send(now_s, motion)

    def takes_slow_part(self, now_s: float) -> bool:
        """Whether the message that is sent now has the part of what changes slowly."""
        if now_s - self.slow_sent_s + _SLACK_S < _SLOW_PART_S:
            return False
        self.slow_sent_s = now_s
        return True

    def _send(self, now_s: float, motion: Motion | None) -> bool:
        self.sent_s, self.last = now_s, motion
        return True

    def to_plain(self) -> list[float | list[float]]:
        """What `restore` takes."""
        last = self.last
        motion = [*last.place, last.heading_deg, last.speed_mps] if last else []
        return [self.sent_s, self.slow_sent_s, self.interval_s, float(self.calm), motion]

    def restore(self, saved: list[float | list[float]]) -> None:
        """Go on where `to_plain` was called.

        Raises:
            ValueError, TypeError: not what `to_plain` returns.
        """
        *times, motion = saved
        if not isinstance(motion, list) or len(motion) not in (0, 5):
            raise ValueError(f"a motion of {motion}")
        sent_s, slow_sent_s, interval_s, calm = (float(value) for value in times)  # type: ignore[arg-type]
        if math.isnan(sent_s + slow_sent_s) or not math.isfinite(interval_s + calm + sum(motion)):
            raise ValueError(f"times of {times}, a motion of {motion}")
        self.sent_s, self.slow_sent_s, self.interval_s = sent_s, slow_sent_s, interval_s
        self.calm = int(calm)
        x, y, z, heading_deg, speed_mps = motion or [0.0] * 5
        self.last = Motion((x, y, z), heading_deg, speed_mps) if motion else None


def station_type(world: World, station: Actor) -> int:
    """Return ETSI's number for what a station is; what neither drives nor walks is a unit beside
    the road."""
    if station.is_vehicle:
        model = world.blueprint(station.type_id).model
        if model is not None and model.special_type == "emergency":
            return EMERGENCY
    if station.kind not in (ActorKind.VEHICLE, ActorKind.WALKER):
        return ROADSIDE_UNIT
    return _STATION_TYPES.get(station.semantic_tag, 0)


def motion_of(world: World, station: Actor) -> Motion | None:
    """Return how a vehicle moves, None of anything else."""
    if not station.is_vehicle:
        return None
    row, table = station.row, world.table
    forward = rotation_matrix(table.rotation_deg[row].tolist())[:, 0]
    x, y, z = table.location[row].tolist()
    heading_deg = (float(table.rotation_deg[row, 1]) + 90.0) % 360.0
    return Motion((x, y, z), heading_deg, float(forward @ table.velocity[row]))


class AwarenessService:
    """Writes the messages of one station."""

    def __init__(self, description: Description, geo_frame: GeoFrame) -> None:
        self.rhythm = CamRhythm.of(description)
        self._geo_frame = geo_frame

        def read(kind: str, *names: str) -> np.ndarray:
            values = []
            for name in names:
                label = f"noise_{name.replace('*', kind)}"
                value = description.number(label, 0.0)
                least = 0.0 if kind == "stddev" else -1e6
                values.append(real(f"{description.type_id}: {label}", value, least, 1e6))
            return np.array(values)

        drifting = ("lat_*", "lon_*", "alt_*", "head_*", "yawrate_*")
        shaking = ("vel_*_x", "accel_*_x", "accel_*_y", "accel_*_z")
        self._bias = np.concatenate([read("bias", *drifting), np.zeros(len(shaking))])
        self._deviation = read("stddev", *drifting, *shaking)

    def compose(self, world: World, station: Actor, generator: np.random.Generator) -> bytes | None:
        """Return the bytes of a CAM_RECORD without its power, None where none is due."""
        motion = motion_of(world, station)
        if not self.rhythm.is_due(world.elapsed_s, motion):
            return None
        errors = self._bias + self._deviation * generator.standard_normal(len(self._bias))
        latitude_e, longitude_e, altitude_e, heading_e, yaw_e, speed_e, *felt_e = errors.tolist()
        data, record = empty_record(CAM_RECORD)
        message = record["message"]
        message["header"] = (PROTOCOL_VERSION, CAM_MESSAGE, station.actor_id)
        # CARLA counts from the start of 2004, and so from the moment at which it was started: a
        # world would not repeat itself.
        message["generation_delta_time"] = round(world.elapsed_s * 1000.0) % 65536
        kind = station_type(world, station)
        message["station_type"] = kind
        x, y, z = world.table.location[station.row].tolist()
        latitude, longitude = self._geo_frame.locate(x, y)
        message["position"] = (
            10 * round((latitude + latitude_e) * 1e6),
            10 * round((longitude + longitude_e) * 1e6),
            _UNKNOWN_AXIS,
            _UNKNOWN_AXIS,
            _UNKNOWN_HEADING,
            round((z + altitude_e) * 100.0),
            _UNKNOWN_ALTITUDE_CONFIDENCE,
        )
        if motion is None:
            # CARLA sends sixteen protected zones, all made up, behind a pointer into its own
            # memory: none here.
            message["fast_kind"] = _ROADSIDE_PART if kind == ROADSIDE_UNIT else 0
            return bytes(data)
        self._write_vehicle(world, station, message, motion, (heading_e, speed_e, yaw_e, *felt_e))
        if self.rhythm.takes_slow_part(world.elapsed_s):
            message["slow_kind"] = _VEHICLE_PART
            slow = message["vehicle_slow"]
            slow["role"] = _ROLES.get(kind, 0)
            slow["exterior_lights"] = sum(
                1 << bit for flag, bit in _LIGHT_BITS if station.light_flags & flag
            )
        return bytes(data)

    @staticmethod
    def _write_vehicle(
        world: World,
        station: Actor,
        message: np.ndarray,
        motion: Motion,
        errors: tuple[float, ...],
    ) -> None:
        heading_e, speed_e, yaw_e, *felt_e = errors
        row, table = station.row, world.table
        message["fast_kind"] = _VEHICLE_PART
        fast = message["vehicle_fast"]
        heading_deg = (motion.heading_deg + heading_e) % 360.0
        fast["heading"] = (round(heading_deg * 10.0) % 3600, _HEADING_WITHIN_1_DEG)
        speed_mps = max(motion.speed_mps + speed_e, 0.0)
        fast["speed"] = (min(round(speed_mps * 100.0), _FASTEST), _SPEED_WITHIN_3_CMPS)
        fast["drive_direction"] = 0 if motion.speed_mps >= 0.0 else 1
        extent = station.bounding_box.extent
        fast["length"] = (round(extent.x * 20.0), _UNKNOWN_LENGTH_CONFIDENCE)
        fast["width"] = round(extent.y * 20.0)
        car_from_world = rotation_matrix(table.rotation_deg[row].tolist()).T
        felt = car_from_world @ (table.acceleration[row] + (0.0, 0.0, world.imu_gravity_mps2))
        values = [_acceleration(value + error) for value, error in zip(felt, felt_e, strict=True)]
        fast["longitudinal_acceleration"] = (values[0], _UNKNOWN_ACCELERATION_CONFIDENCE)
        fast["has_lateral_acceleration"] = fast["has_vertical_acceleration"] = 1
        fast["lateral_acceleration"] = (values[1], _UNKNOWN_ACCELERATION_CONFIDENCE)
        fast["vertical_acceleration"] = (values[2], _UNKNOWN_ACCELERATION_CONFIDENCE)
        fast["curvature"] = (_UNKNOWN_CURVATURE, _UNKNOWN_CURVATURE_CONFIDENCE)
        rate_dps = float(car_from_world[2] @ table.angular_velocity_dps[row])
        rate = round((rate_dps + math.degrees(yaw_e)) * 100.0)
        known = abs(rate) < _UNKNOWN_YAW_RATE
        fast["yaw_rate"] = (rate if known else _UNKNOWN_YAW_RATE, _UNKNOWN_YAW_RATE_CONFIDENCE)


def _acceleration(value_mps2: float) -> int:
    """In tenths of m/s2; what is out of the message's range is unknown."""
    tenths = value_mps2 * 10.0
    return round(tenths) if -160.0 <= tenths <= 161.0 else _UNKNOWN_ACCELERATION
