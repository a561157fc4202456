"""All vehicles of a world as one structure of arrays, stepped together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.physics import exact
from evaluation.simulator.physics.bodies import BODY_FIELDS, BodyTable
from evaluation.simulator.physics.vehicle.drivetrain import (
    Powertrain,
    axle_forces,
    axle_loads_n,
    move_actuators,
    stack_powertrain,
    wheel_angle_rad,
)
from evaluation.simulator.physics.vehicle.planar import AxleForces, Chassis, Floats, step_planar
from evaluation.simulator.physics.vehicle.spec import (
    FRONT_GRIP_PER_TYRE_FRICTION,
    GRAVITY_MPS2,
    REAR_GRIP_PER_TYRE_FRICTION,
    VehicleSpec,
)
from evaluation.simulator.physics.vehicle.suspension import (
    CONTACT_GAP_M,
    GROUND_FIELDS,
    MEASURE_EVERY_M,
    MEASURE_EVERY_TICKS,
    MEASURE_LATEST_M,
    REST_MPS,
    GroundHeight,
    measure_ground,
    step_suspension,
    way_since_measure_m,
)
from evaluation.simulator.wire.codec import Transform, Vector3D, VehicleControl

# What is left of the road's forces without contact; the equations of motion need more than nothing.
NO_CONTACT_SHARE = 1e-9
LEAST_FRICTION = 1e-9
# PhysX counts the turns of wheels within ten half ones either way.
WHEEL_PITCH_RANGE_DEG = 1800.0
_LEAST_PEDALS = (0.0, 0.0, -1.0)

VEHICLE_FIELDS = (
    ("wanted_pedals", np.float64, (3,)),
    ("pedals", np.float64, (3,)),
    ("hand_brake", np.bool_),
    ("reverse", np.bool_),
    ("manual_gear_shift", np.bool_),
    ("wanted_gear", np.int64),
    ("gear", np.int64),
    ("choose_gear", np.bool_),
    ("ratio", np.float64),
    ("up_radps", np.float64),
    ("down_radps", np.float64),
    ("shift_left_s", np.float64),
    ("wheel_angle_rad", np.float64),
    ("wheel_pitch_deg", np.float64, (4,)),
    ("constant_velocity", np.bool_),
    ("constant_velocity_mps", np.float64, (3,)),
)
"""What a vehicle has beside the fields of every body; `pedals` are throttle, brake and steer.

`wheel_pitch_deg` is how far the wheels have rolled, front left, front right, rear left, rear right:
falling while the vehicle drives forward, as Unreal shows it. Nothing follows from it.
"""


class VehicleFleet(BodyTable):
    """All vehicles of a world; velocities are those of the actors' origins."""

    dtype = np.dtype([*BODY_FIELDS, *VEHICLE_FIELDS, *GROUND_FIELDS])

    def __init__(self) -> None:
        super().__init__()
        self._specs: list[VehicleSpec] = []
        self._powertrain: Powertrain | None = None
        self._chassis: Chassis | None = None
        self._new_controls: dict[int, VehicleControl] = {}
        self._ticks = 0

    def add(self, actor_id: int, spec: VehicleSpec, transform: Transform) -> None:
        """Put a vehicle at rest and in neutral at `transform`; a second one of the same id is a
        `ValueError`."""
        row = self._insert(actor_id, transform)
        self._specs.append(spec)
        self._take_spec(row)
        # The rhythm of looking at the ground begins anew, so that a run repeats itself whatever ran
        # before it in the same episode.
        self._ticks = 0

    def remove(self, actor_id: int) -> None:
        """Take a vehicle out."""
        del self._specs[self._rows[actor_id]]
        self._new_controls.pop(actor_id, None)
        super().remove(actor_id)
        self.forget_tables()

    def spec(self, actor_id: int) -> VehicleSpec:
        """Return what a vehicle is made of."""
        return self._specs[self._rows[actor_id]]

    def set_spec(self, actor_id: int, spec: VehicleSpec) -> None:
        """Rebuild a vehicle from another specification, keeping its motion."""
        row = self._rows[actor_id]
        self._specs[row] = spec
        self._take_spec(row)

    def rebuild(self, actor_id: int, spec: VehicleSpec) -> None:
        """Do as `set_spec`, and leave a vehicle that gets no throttle in neutral, as a new one."""
        self.set_spec(actor_id, spec)
        entry = self.state[self._rows[actor_id]]
        if entry["wanted_pedals"][0] <= 0.0:
            entry["gear"] = 0

    def _take_spec(self, row: int) -> None:
        spec = self._specs[row]
        self.state["choose_gear"][row] = True
        self.state["up_radps"][row], self.state["down_radps"][row] = np.inf, 0.0
        self.state["mass_kg"][row] = spec.mass_kg
        self.state["yaw_inertia_kgm2"][row] = spec.yaw_inertia_kgm2
        self.state["half_extent_m"][row] = spec.half_extent_m
        self.state["centre_z_m"][row] = spec.half_extent_m[2]
        self.forget_tables()

    def forget_tables(self) -> None:
        """Let what follows from the specifications be computed anew."""
        self._powertrain = None
        self._chassis = None

    # Commands

    def set_control(self, actor_id: int, control: VehicleControl) -> None:
        """Ask for pedals, steer and gear; values out of range are clipped, NaN counts as 0."""
        if actor_id not in self._rows:
            raise KeyError(actor_id)
        self._new_controls[actor_id] = control

    def _take_controls(self) -> None:
        """Hand the controls that came since the last step to their vehicles."""
        state, rows = self.state, [self._rows[actor_id] for actor_id in self._new_controls]
        throttle, steer, brake, hand_brake, reverse, manual, gear = zip(
            *self._new_controls.values(), strict=True
        )
        self._new_controls.clear()
        pedals = np.array((throttle, brake, steer), dtype=np.float64).T
        pedals[np.isnan(pedals)] = 0.0
        state["wanted_pedals"][rows] = np.minimum(np.maximum(pedals, _LEAST_PEDALS), 1.0)
        state["hand_brake"][rows] = hand_brake
        state["reverse"][rows] = reverse
        state["manual_gear_shift"][rows] = manual
        state["wanted_gear"][rows] = [min(max(number, -1), 99) for number in gear]
        gear_now = state["gear"][rows]
        turned = (state["reverse"][rows] != (gear_now < 0)) | (gear_now == 0)
        state["choose_gear"][rows] |= state["manual_gear_shift"][rows] | turned

    def teleport(self, actor_id: int, transform: Transform) -> None:
        """Set the pose; the velocity stays, as with CARLA's set_transform."""
        super().teleport(actor_id, transform)
        # Never measured: far from everywhere.
        self.state["ground_m"][self._rows[actor_id]] = np.inf

    def set_constant_velocity(self, actor_id: int, velocity_body_mps: Vector3D | None) -> None:
        """Hold this velocity in the body frame until told None; steering still turns the body."""
        entry = self.state[self._rows[actor_id]]
        entry["constant_velocity"] = velocity_body_mps is not None
        entry["constant_velocity_mps"] = velocity_body_mps or Vector3D()

    def set_wheel_pitch(self, actor_id: int, wheel: int, angle_deg: float) -> None:
        """Turn one of the four wheels of a vehicle without physics; with them it rolls, and stays
        as it is, as in CARLA."""
        entry = self.state[self._rows[actor_id]]
        if not entry["physics"]:
            entry["wheel_pitch_deg"][wheel] = angle_deg

    # Step

    def step(self, duration_s: float, ground_height: GroundHeight) -> None:
        """Advance every vehicle with physics by one tick.

        `ground_height` returns (n,) heights for points (n, 2) near given heights (n,).
        """
        if not self._specs:
            return
        if self._new_controls:
            self._take_controls()
        self._last_step_s = duration_s
        state = self.state
        state["velocity_before_mps"] = state["velocity_mps"]
        frozen = None if state["physics"].all() else np.flatnonzero(~state["physics"])
        kept = None if frozen is None else state[frozen]
        chassis, powertrain = self.tables()
        move_actuators(state, duration_s)
        held = np.flatnonzero(state["constant_velocity"])
        if len(held):
            start = state["position_m"][held, :2]
            self._hold_velocity(held)
        sin, cos = self.heading()
        velocity = state["velocity_mps"]
        forward_mps = cos * velocity[:, 0] + sin * velocity[:, 1]
        state["wheel_angle_rad"] = wheel_angle_rad(
            state["pedals"][:, 2], np.abs(forward_mps), powertrain
        )
        axle = axle_forces(state, powertrain, forward_mps, duration_s)
        chassis, axle = self._lift(chassis, axle)
        slope = None
        if state["pitch_rad"].any() or state["roll_rad"].any():
            sines, _ = exact.sin_cos(np.concatenate((state["pitch_rad"], state["roll_rad"])))
            slope = sines.reshape(2, -1).T * (-GRAVITY_MPS2, GRAVITY_MPS2)
        step_planar(state, chassis, axle, state["wheel_angle_rad"], slope, duration_s)
        if len(held):
            self._hold_velocity(held)
            state["position_m"][held, :2] = start + duration_s * state["velocity_mps"][held, :2]
        self._follow_ground(duration_s, ground_height)
        rolled_deg = np.degrees(duration_s * forward_mps / powertrain.wheel_radius_m)
        turned_deg = state["wheel_pitch_deg"] - rolled_deg[:, None]
        state["wheel_pitch_deg"] = np.fmod(turned_deg, WHEEL_PITCH_RANGE_DEG)
        if frozen is not None:
            state[frozen] = kept

    def tables(self) -> tuple[Chassis, Powertrain]:
        """Return what follows from the specifications, one row a vehicle."""
        if self._chassis is None or self._powertrain is None:
            specs = self._specs
            load_n = axle_loads_n(specs)
            stiffness = [(s.front_stiffness_per_rad, s.rear_stiffness_per_rad) for s in specs]
            friction = np.array([max(s.tyre_friction, LEAST_FRICTION) for s in specs])
            grip_per_friction = (FRONT_GRIP_PER_TYRE_FRICTION, REAR_GRIP_PER_TYRE_FRICTION)
            self._chassis = Chassis(
                mass_kg=np.array([s.mass_kg for s in specs]),
                yaw_inertia_kgm2=np.array([s.yaw_inertia_kgm2 for s in specs]),
                axle_m=np.array([(s.front_axle_m, -s.rear_axle_m) for s in specs]),
                grip_n=np.outer(friction, grip_per_friction) * load_n,
                stiffness_npr=np.maximum(np.array(stiffness), 0.1) * load_n,
            )
            self._powertrain = stack_powertrain(specs, load_n)
        return self._chassis, self._powertrain

    def _heading_of(self, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Sines and cosines (k,) of some vehicles' yaw angles."""
        sine, cosine = self.heading()
        return sine[rows], cosine[rows]

    def _hold_velocity(self, rows: NDArray[np.intp]) -> None:
        """Give vehicles with a constant velocity that velocity, along where they look."""
        state = self.state
        body = state["constant_velocity_mps"][rows]
        sin, cos = self._heading_of(rows)
        state["velocity_mps"][rows, 0] = cos * body[:, 0] - sin * body[:, 1]
        state["velocity_mps"][rows, 1] = sin * body[:, 0] + cos * body[:, 1]

    def _lift(self, chassis: Chassis, axle: AxleForces) -> tuple[Chassis, AxleForces]:
        """Take road forces away from vehicles that hang in the air or weigh nothing."""
        light = (self.state["ground_gap_m"] > CONTACT_GAP_M) | ~self.state["gravity"]
        if not light.any():
            return chassis, axle
        share = np.where(light, NO_CONTACT_SHARE, 1.0)[:, None]
        chassis = replace(
            chassis,
            grip_n=chassis.grip_n * share,
            stiffness_npr=chassis.stiffness_npr * share,
        )
        axle = AxleForces(axle.drive_n * share, axle.brake_n * share, axle.drag_nspm * share)
        return chassis, axle

    def _follow_ground(self, duration_s: float, ground_height: GroundHeight) -> None:
        """Step height and attitude of those bodies that are not settled on level ground."""
        state = self.state
        falls = state["physics"] & state["gravity"]
        slope = state["ground_slope"]
        if slope.any():
            # On a slope a body that starts to move leaves its height at once.
            still = np.abs(state["velocity_mps"]).max(axis=1) < REST_MPS
            state["settled"] &= still | (slope == 0.0).all(axis=1)
        self._ticks += 1
        way_m = way_since_measure_m(state)
        # Several vehicles together cost little more than one: they wait for each other.
        limit_m = MEASURE_EVERY_M if self._ticks % MEASURE_EVERY_TICKS == 0 else MEASURE_LATEST_M
        if (falls & (way_m > limit_m)).any():
            self._measure_ground(np.flatnonzero(falls & (way_m > MEASURE_EVERY_M)), ground_height)
        rows = np.flatnonzero(falls & ~state["settled"])
        if len(rows):
            part = state[rows]
            step_suspension(part, self._heading_of(rows), duration_s)
            state[rows] = part

    def _measure_ground(self, rows: NDArray[np.intp], ground_height: GroundHeight) -> None:
        """Look at the ground below some vehicles; on the same level ground nothing changes."""
        chassis, powertrain = self.tables()
        part = self.state[rows]
        measure_ground(
            part,
            self._heading_of(rows),
            chassis.axle_m[rows],
            powertrain.half_track_m[rows],
            ground_height,
        )
        level = (part["ground_slope"] == 0.0).all(axis=1)
        part["settled"] &= level & (part["ground_m"][:, 2] == part["position_m"][:, 2])
        self.state[rows] = part

    # Read-outs

    def gears(self) -> NDArray[np.int64]:
        """Engaged gears (n,): -1 reverse, 0 neutral."""
        gears: NDArray[np.int64] = self.state["gear"]
        return gears
