"""Records of the client protocol: one NamedTuple per msgpack struct.

msgpack packs a NamedTuple as an array, so a record is already its own wire form; only those whose
wire form differs have a `to_wire`. `from_wire` follows the client's own rules: fields missing at
the end take their defaults, additional ones are ignored, integers are taken where floats are
wanted. All lengths are metres and all angles degrees, in CARLA's left-handed frame (x forward,
y right, z up). A number must be one that can be computed with: finite is not enough, for what is
squared, or travels on as float32, overflows long before float64 does. Settings, actors and
commands have records of their own in `settings_records` and
`actor_records`; the binary streams are in `snapshot`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MAX_NUMBER = 1e12
"""Size of any number that has no narrower range of its own; its square still fits a float32."""
MAX_LOCATION_M = 1e6
"""A hundred times the side of CARLA's large maps; a float32 still tells 0.06 m apart there."""
MAX_ANGLE_DEG = 1e6
MAX_SPEED_MPS = 1e4
MAX_RATE_DPS = 1e5
MAX_INTEGER = 2**63 - 1

_describe = reprlib.Repr()
_describe.maxlevel = 2
_describe.maxstring = _describe.maxother = 60


class WireError(ValueError):
    """A message from a client does not have the shape that the protocol asks for."""


def sequence(owner: str, data: object, at_least: int = 0) -> Sequence[Any]:
    """Return `data` if it is an array of `at_least` items, else raise `WireError`."""
    if not isinstance(data, list | tuple):
        raise WireError(f"{owner}: expected an array, got {type(data).__name__}")
    if len(data) < at_least:
        raise WireError(f"{owner}: expected {at_least} fields, got {len(data)}")
    return data


def describe(data: object) -> str:
    """Return a short text for anything that came over the wire, however large or nested."""
    return _describe.repr(data)


def real(
    owner: str, data: object, least: float = -MAX_NUMBER, largest: float = MAX_NUMBER
) -> float:
    """Return `data` as a float in [least, largest]; booleans, text and NaN are refused."""
    if isinstance(data, float | int) and not isinstance(data, bool):
        if least <= data <= largest:
            return float(data)
        expected = f"a finite number from {least:g} to {largest:g}"
        raise WireError(f"{owner}: expected {expected}, got {describe(data)}")
    raise WireError(f"{owner}: expected a number, got {describe(data)}")


def integer(owner: str, data: object) -> int:
    """Return `data` as an int; booleans and floats are refused."""
    if isinstance(data, int) and not isinstance(data, bool) and -MAX_INTEGER <= data <= MAX_INTEGER:
        return data
    raise WireError(f"{owner}: expected an integer of 64 bits, got {describe(data)}")


def flag(owner: str, data: object) -> bool:
    """Return `data` as a bool; numbers are refused."""
    if isinstance(data, bool):
        return data
    raise WireError(f"{owner}: expected true or false, got {describe(data)}")


def text(owner: str, data: object) -> str:
    """Return `data` as a str."""
    if isinstance(data, str):
        return data
    raise WireError(f"{owner}: expected text, got {describe(data)}")


def _reals(
    owner: str, data: object, defaults: Mapping[str, float], size: float = MAX_NUMBER
) -> list[float]:
    """Read an array of floats in [-size, size]; names and defaults are given in field order."""
    items = sequence(owner, data)
    values = list(defaults.values())
    for index, item in enumerate(items[: len(values)]):
        if type(item) is float and -size <= item <= size:
            values[index] = item
        else:
            values[index] = real(f"{owner}.{list(defaults)[index]}", item, -size, size)
    return values


class Vector3D(NamedTuple):
    """Three floats: a location (m), a velocity (m/s) or an angular velocity (deg/s)."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0

    @classmethod
    def from_wire(cls, data: object, owner: str = "Vector3D", size: float = MAX_NUMBER) -> Vector3D:
        """Read [x, y, z], each in [-size, size]."""
        return cls(*_reals(owner, data, cls._field_defaults, size))

    @classmethod
    def location_from_wire(cls, data: object) -> Vector3D:
        """Read the location [x, y, z] of something in the world, m."""
        return cls.from_wire(data, "Location", MAX_LOCATION_M)

    @classmethod
    def velocity_from_wire(cls, data: object) -> Vector3D:
        """Read the velocity [x, y, z], m/s."""
        return cls.from_wire(data, "velocity", MAX_SPEED_MPS)

    @classmethod
    def rate_from_wire(cls, data: object) -> Vector3D:
        """Read the angular velocity [x, y, z], deg/s."""
        return cls.from_wire(data, "angular velocity", MAX_RATE_DPS)


class Rotation(NamedTuple):
    """Pitch (up positive), yaw (clockwise from above) and roll (right side down), degrees."""

    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0

    @classmethod
    def from_wire(cls, data: object) -> Rotation:
        """Read [pitch, yaw, roll]."""
        return cls(*_reals("Rotation", data, cls._field_defaults, MAX_ANGLE_DEG))


class Transform(NamedTuple):
    """A pose: where an actor's origin is and how it is turned."""

    location: Vector3D = Vector3D()
    rotation: Rotation = Rotation()

    @classmethod
    def from_wire(cls, data: object) -> Transform:
        """Read [location, rotation]."""
        items = sequence("Transform", data)
        location = Vector3D.location_from_wire(items[0]) if items else Vector3D()
        rotation = Rotation.from_wire(items[1]) if len(items) > 1 else Rotation()
        return cls(location, rotation)


class BoundingBox(NamedTuple):
    """A box: centre, half extents and rotation in the frame of its actor (or of the world).

    `actor_id` travels since 0.9.16 and is ignored by 0.9.15.
    """

    location: Vector3D = Vector3D()
    extent: Vector3D = Vector3D()
    rotation: Rotation = Rotation()
    actor_id: int = 0

    @classmethod
    def from_wire(cls, data: object) -> BoundingBox:
        """Read [location, extent, rotation] with or without an actor id."""
        items = sequence("BoundingBox", data, at_least=3)
        actor_id = integer("BoundingBox.actor_id", items[3]) if len(items) > 3 else 0
        return cls(
            Vector3D.location_from_wire(items[0]),
            Vector3D.location_from_wire(items[1]),
            Rotation.from_wire(items[2]),
            actor_id,
        )


MAX_GEAR = 99
_CONTROL_TYPES = [float, float, float, bool, bool, bool, int]


class VehicleControl(NamedTuple):
    """What a driver asks of a vehicle: throttle and brake in [0, 1], steer in [-1, 1] (right +)."""

    throttle: float = 0.0
    steer: float = 0.0
    brake: float = 0.0
    hand_brake: bool = False
    reverse: bool = False
    manual_gear_shift: bool = False
    gear: int = 0

    @classmethod
    def from_wire(cls, data: object) -> VehicleControl:
        """Read the seven fields and clip the three pedals and the wheel to their ranges."""
        items = sequence("VehicleControl", data, at_least=7)
        # Forty of these come every tick, and nearly all of them are as they should be.
        if [type(item) for item in items] == _CONTROL_TYPES:
            throttle, steer, brake = items[:3]
            pedals_fit = 0.0 <= throttle <= 1.0 and -1.0 <= steer <= 1.0 and 0.0 <= brake <= 1.0
            if pedals_fit and -1 <= items[6] <= MAX_GEAR:
                return cls._make(items)
        return cls(
            min(max(real("VehicleControl.throttle", items[0]), 0.0), 1.0),
            min(max(real("VehicleControl.steer", items[1]), -1.0), 1.0),
            _brake(items[2]),
            flag("VehicleControl.hand_brake", items[3]),
            flag("VehicleControl.reverse", items[4]),
            flag("VehicleControl.manual_gear_shift", items[5]),
            min(max(integer("VehicleControl.gear", items[6]), -1), MAX_GEAR),
        )


def _brake(data: object) -> float:
    """The brake pedal, clipped to [0, 1]. The client's traffic manager divides by the speed it aims
    at and sends NaN to a car that is to stand; Unreal's clamp makes full brake of that."""
    if type(data) is float and data != data:
        return 1.0
    return min(max(real("VehicleControl.brake", data), 0.0), 1.0)


class AckermannControl(NamedTuple):
    """What an Ackermann driver asks for: a steering angle (rad, right +) and how fast to turn to it
    (rad/s, 0 at once), a speed (m/s, negative backwards) and how hard to change it (m/s2, 0 as hard
    as the vehicle can). The jerk is not simulated."""

    steer: float = 0.0
    steer_speed: float = 0.0
    speed: float = 0.0
    acceleration: float = 0.0
    jerk: float = 0.0

    @classmethod
    def from_wire(cls, data: object) -> AckermannControl:
        """Read the five floats."""
        return cls(*_reals("VehicleAckermannControl", data, cls._field_defaults))


class AckermannGains(NamedTuple):
    """Gains of the Ackermann controller for speed and acceleration; the defaults are CARLA's."""

    speed_kp: float = 0.15
    speed_ki: float = 0.0
    speed_kd: float = 0.25
    accel_kp: float = 0.01
    accel_ki: float = 0.0
    accel_kd: float = 0.01

    @classmethod
    def from_wire(cls, data: object) -> AckermannGains:
        """Read the six floats."""
        return cls(*_reals("AckermannControllerSettings", data, cls._field_defaults))


class WalkerControl(NamedTuple):
    """Where a walker goes: unit direction in the world, speed in m/s, and whether it jumps."""

    direction: Vector3D = Vector3D(1.0, 0.0, 0.0)
    speed: float = 0.0
    jump: bool = False

    @classmethod
    def from_wire(cls, data: object) -> WalkerControl:
        """Read [direction, speed, jump]."""
        items = sequence("WalkerControl", data, at_least=3)
        return cls(
            Vector3D.from_wire(items[0]),
            max(real("WalkerControl.speed", items[1], largest=MAX_SPEED_MPS), 0.0),
            flag("WalkerControl.jump", items[2]),
        )


class WeatherParameters(NamedTuple):
    """The weather; the defaults are CARLA's preset ClearNoon."""

    cloudiness: float = 5.0
    precipitation: float = 0.0
    precipitation_deposits: float = 0.0
    wind_intensity: float = 10.0
    sun_azimuth_angle: float = -1.0
    sun_altitude_angle: float = 45.0
    fog_density: float = 2.0
    fog_distance: float = 0.75
    fog_falloff: float = 0.1
    wetness: float = 0.0
    scattering_intensity: float = 1.0
    mie_scattering_scale: float = 0.03
    rayleigh_scattering_scale: float = 0.0331
    dust_storm: float = 0.0

    @classmethod
    def from_wire(cls, data: object) -> WeatherParameters:
        """Read the fourteen floats."""
        return cls(*_reals("WeatherParameters", data, cls._field_defaults))
