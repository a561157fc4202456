"""Wire records of the episode, its settings, stream tokens and vehicle physics."""

from __future__ import annotations

from typing import Any, NamedTuple

from evaluation.simulator.wire.codec import (
    Vector3D,
    WireError,
    describe,
    flag,
    integer,
    real,
    sequence,
)

SHORTEST_STEP_S = 1e-4
LONGEST_STEP_S = 10.0
"""A step is cut into a hundred and more physical ones per second of it."""


class EpisodeSettings(NamedTuple):
    """How the simulator runs; `fixed_delta_seconds` None means CARLA's variable time step."""

    synchronous_mode: bool = False
    no_rendering_mode: bool = False
    fixed_delta_seconds: float | None = None
    substepping: bool = True
    max_substep_delta_time: float = 0.01
    max_substeps: int = 10
    max_culling_distance: float = 0.0
    deterministic_ragdolls: bool = True
    tile_stream_distance: float = 3000.0
    actor_active_distance: float = 2000.0
    spectator_as_ego: bool = True

    def to_wire(self) -> list[Any]:
        """Return the eleven fields with the time step as an optional."""
        delta_s = self.fixed_delta_seconds
        optional = [False] if delta_s is None else [True, delta_s]
        return [*self[:2], optional, *self[3:]]

    @classmethod
    def from_wire(cls, data: object) -> EpisodeSettings:
        """Read as many of the eleven fields as there are (older clients send fewer)."""
        items = sequence("EpisodeSettings", data)[: len(cls._fields)]
        values: dict[str, Any] = {}
        for name, item in zip(cls._fields, items, strict=False):
            owner = f"EpisodeSettings.{name}"
            default = cls._field_defaults[name]
            if name == "fixed_delta_seconds":
                values[name] = _optional_delta_s(owner, item)
            elif isinstance(default, bool):
                values[name] = flag(owner, item)
            elif isinstance(default, int):
                values[name] = integer(owner, item)
            else:
                values[name] = real(owner, item)
        return cls(**values)


def _optional_delta_s(owner: str, data: object) -> float | None:
    """Read an optional time step; zero means none, as in the real server."""
    items = sequence(owner, data)
    if not items or items[0] is False:
        return None
    if len(items) < 2:
        raise WireError(f"{owner}: expected [true, seconds], got {describe(data)}")
    delta_s = real(owner, items[1], 0.0, LONGEST_STEP_S)
    if 0.0 < delta_s < SHORTEST_STEP_S:
        raise WireError(f"{owner}: expected at least {SHORTEST_STEP_S} s, got {delta_s}")
    return delta_s or None


WHEEL_COUNT = 4
"""Of every vehicle, as CARLA has it: bicycles have two at each end."""


class WheelPhysics(NamedTuple):
    """One wheel as `get_physics_control` shows it; radius and position in centimetres."""

    tire_friction: float = 3.5
    damping_rate: float = 0.25
    max_steer_angle: float = 70.0
    radius: float = 35.0
    max_brake_torque: float = 1500.0
    max_handbrake_torque: float = 3000.0
    lat_stiff_max_load: float = 3.0
    lat_stiff_value: float = 20.0
    long_stiff_value: float = 3000.0
    position: Vector3D = Vector3D()


class GearPhysics(NamedTuple):
    """One gear: ratio and the engine speeds (as fractions) at which to leave it."""

    ratio: float
    down_ratio: float = 0.5
    up_ratio: float = 0.65


class VehiclePhysics(NamedTuple):
    """What `get_physics_control` answers.

    Not simulated, and only kept: moi, the damping with the clutch out, clutch_strength,
    center_of_mass and use_sweep_wheel_collision; of the wheels the damping, the stiffnesses and the
    differences between left and right.
    """

    torque_curve: tuple[tuple[float, float], ...] = ((0.0, 400.0), (1890.0, 500.0), (5730.0, 400.0))
    max_rpm: float = 5800.0
    moi: float = 1.0
    damping_rate_full_throttle: float = 0.15
    damping_rate_zero_throttle_clutch_engaged: float = 2.0
    damping_rate_zero_throttle_clutch_disengaged: float = 0.35
    use_gear_autobox: bool = True
    gear_switch_time: float = 0.5
    clutch_strength: float = 10.0
    final_ratio: float = 4.0
    forward_gears: tuple[GearPhysics, ...] = (
        GearPhysics(2.85),
        GearPhysics(2.02),
        GearPhysics(1.35),
        GearPhysics(1.0),
        GearPhysics(0.71),
    )
    mass: float = 1845.0
    drag_coefficient: float = 0.3
    center_of_mass: Vector3D = Vector3D(0.45, 0.0, -0.3)
    steering_curve: tuple[tuple[float, float], ...] = ((0.0, 1.0), (120.0, 0.5))
    wheels: tuple[WheelPhysics, ...] = ()
    use_sweep_wheel_collision: bool = False

    @classmethod
    def from_wire(cls, data: object) -> VehiclePhysics:
        """Read a whole physics control; the wheels and gears keep whatever the client set."""
        owner = "VehiclePhysicsControl"
        values = dict(zip(cls._fields, sequence(owner, data, len(cls._fields)), strict=False))
        for name, default in cls._field_defaults.items():
            if isinstance(default, float):
                values[name] = real(f"{owner}.{name}", values[name])
            elif isinstance(default, bool):
                values[name] = flag(f"{owner}.{name}", values[name])
        for name in ("torque_curve", "steering_curve"):
            values[name] = _curve(f"{owner}.{name}", values[name])
        values["center_of_mass"] = Vector3D.from_wire(values["center_of_mass"])
        gears = sequence(f"{owner}.forward_gears", values["forward_gears"])
        values["forward_gears"] = tuple(GearPhysics(*_reals("GearPhysics", g, 3)) for g in gears)
        wheels = sequence(f"{owner}.wheels", values["wheels"])
        if len(wheels) not in (0, WHEEL_COUNT):
            raise WireError(f"{owner}.wheels: expected {WHEEL_COUNT} wheels, got {len(wheels)}")
        values["wheels"] = tuple(map(_wheel, wheels))
        return cls(**values)


def _reals(owner: str, data: object, count: int) -> list[float]:
    return [real(owner, item) for item in sequence(owner, data, count)[:count]]


def _curve(owner: str, data: object) -> tuple[tuple[float, float], ...]:
    points = (_reals(owner, item, 2) for item in sequence(owner, data))
    return tuple((x, y) for x, y in points)


def _wheel(data: object) -> WheelPhysics:
    items = sequence("WheelPhysicsControl", data, at_least=10)
    names = WheelPhysics._fields[:9]
    values = dict(zip(names, _reals("WheelPhysicsControl", items, 9), strict=True))
    return WheelPhysics(**values, position=Vector3D.from_wire(items[9]))
