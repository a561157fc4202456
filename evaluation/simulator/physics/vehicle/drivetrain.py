"""Pedals, engine, gearbox, brakes and steering gear, vectorised over vehicles.

The structure is that of the drivetrain CARLA uses (engine torque from a curve over revs, viscous
engine drag that grows when the throttle closes, an automatic box that shifts at given revs); the
formulas here are simpler: wheels do not spin up, the clutch is ideal. As in Unreal, whose box
leaves neutral when the engine revs up (`NeutralGearUpRatio`), a vehicle rolls freely until it first
gets throttle; CARLA's then waits for a second or two (its issue 1640), which is left out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.physics import exact
from evaluation.simulator.physics.vehicle.curves import Curve, CurveSet
from evaluation.simulator.physics.vehicle.planar import AxleForces, Floats
from evaluation.simulator.physics.vehicle.spec import (
    AIR_DENSITY_KGPM3,
    GRAVITY_MPS2,
    VehicleSpec,
)

# How fast throttle, brake and steer follow, in full strokes per second, away from zero and back:
# Unreal's defaults for wheeled vehicles.
RISE_PER_S = np.array((6.0, 6.0, 2.5))
FALL_PER_S = np.array((10.0, 10.0, 5.0))

# No wheel turns up to a right angle, whatever a client asks for.
LARGEST_WHEEL_RAD = 1.45
IDLE_RPM = 800.0
ROLLING_RESISTANCE = 0.012
# A vehicle in neutral that hardly moves stands, on slopes of up to a half as well: PhysX sticks the
# tyres of who has no mind to drive to the ground below this speed.
STANDING_MPS = 0.2
STANDING_RESISTANCE = 0.5
RADPS_PER_RPM = 2.0 * np.pi / 60.0


@dataclass(frozen=True)
class Powertrain:
    """Constant properties of n vehicles that pedals and steering need; tables are (n, points)."""

    wheelbase_m: Floats
    half_track_m: Floats
    full_wheel_rad: Floats  # angle of the inner wheel at full steer and no speed
    steer_curves: CurveSet  # factor over speed
    peak_torque_nm: Floats
    torque_curves: CurveSet  # share of the peak over the share of the maximal revs
    max_rpm: Floats
    damping_full: Floats
    damping_zero: Floats
    gear_table: Floats  # (n, gears, 3): see _gear_rows
    gear_count: NDArray[np.int64]
    automatic: NDArray[np.bool_]
    gear_switch_s: Floats
    wheel_radius_m: Floats
    drive_share: Floats  # (n, 2)
    brake_n: Floats  # (n, 2) full service brake
    handbrake_n: Floats  # (n,) at the rear axle
    rolling_n: Floats  # (n, 2)
    air_nspm2: Floats


def stack_powertrain(specs: Sequence[VehicleSpec], load_n: Floats) -> Powertrain:
    """Lay the properties of n vehicles side by side; `load_n` (n, 2) are the axle loads."""
    gear_slots = 1 + max(len(spec.gears) for spec in specs)
    radius_m = np.array([spec.wheel_radius_m for spec in specs])
    share = np.array([spec.front_drive_share for spec in specs])
    wheels_per_m = np.array([spec.wheel_count / 2.0 for spec in specs]) / radius_m
    brake_n = np.array([spec.brake_torque_nm for spec in specs]) * wheels_per_m
    handbrake_n = np.array([spec.handbrake_torque_nm for spec in specs]) * wheels_per_m
    weight_share = load_n / load_n.sum(axis=1, keepdims=True)
    return Powertrain(
        wheelbase_m=np.array([spec.wheelbase_m for spec in specs]),
        half_track_m=np.array([spec.half_track_m for spec in specs]),
        full_wheel_rad=np.array([spec.steer_share * spec.max_steer_rad for spec in specs]),
        steer_curves=CurveSet([spec.steering_curve_mps for spec in specs]),
        peak_torque_nm=np.array([_peak_torque_nm(spec) for spec in specs]),
        torque_curves=CurveSet([_torque_curve(spec) for spec in specs]),
        max_rpm=np.array([spec.max_rpm for spec in specs]),
        damping_full=np.array([spec.damping_full_throttle for spec in specs]),
        damping_zero=np.array([spec.damping_zero_throttle for spec in specs]),
        gear_table=np.array([_gear_rows(spec, gear_slots) for spec in specs]),
        gear_count=np.array([len(spec.gears) for spec in specs]),
        automatic=np.array([spec.automatic for spec in specs]),
        gear_switch_s=np.array([spec.gear_switch_s for spec in specs]),
        wheel_radius_m=radius_m,
        drive_share=np.stack((share, 1.0 - share), axis=1),
        brake_n=2.0 * brake_n[:, None] * weight_share,
        handbrake_n=handbrake_n,
        rolling_n=ROLLING_RESISTANCE * load_n,
        air_nspm2=0.5 * AIR_DENSITY_KGPM3 * np.array([spec.drag_area_m2 for spec in specs]),
    )


def _peak_torque_nm(spec: VehicleSpec) -> float:
    return max(1e-6, *(torque for _, torque in spec.torque_curve_rpm_nm))


def _torque_curve(spec: VehicleSpec) -> Curve:
    """The torque curve relative to its peak and the maximal revs, beyond which there is none."""
    peak_nm, max_rpm = _peak_torque_nm(spec), spec.max_rpm
    inside = [(rpm, torque) for rpm, torque in spec.torque_curve_rpm_nm if rpm <= max_rpm]
    points = [(rpm / max_rpm, torque / peak_nm) for rpm, torque in inside]
    last = points[-1][1] if points else 0.0
    return (*points, (1.0, last), (1.0 + 1e-6, 0.0))


def _gear_rows(spec: VehicleSpec, slots: int) -> list[tuple[float, float, float]]:
    """Return per gear, neutral first: total ratio, wheel speeds (rad/s) to shift up and down at.

    Reverse has the ratio of the first gear; slots beyond the last gear repeat it.
    """
    rows = [(0.0, np.inf, 0.0)]
    for number in range(1, slots):
        gear = spec.gears[min(number, len(spec.gears)) - 1]
        ratio = max(gear.ratio * spec.final_ratio, 1e-3)
        full_radps = spec.max_rpm * RADPS_PER_RPM / ratio
        up_radps = gear.up_ratio * full_radps if number < len(spec.gears) else np.inf
        rows.append((ratio, up_radps, gear.down_ratio * full_radps if number > 1 else 0.0))
    return rows


def move_actuators(state: NDArray[Any], duration_s: float) -> None:
    """Let throttle, brake and steer follow what the last controls ask for.

    The fields `pedals` and `wanted_pedals` of `state` hold the three of them side by side.
    """
    value, wanted = state["pedals"], state["wanted_pedals"]
    falling = np.abs(wanted) < np.abs(value)
    limit = np.where(falling, FALL_PER_S, RISE_PER_S) * duration_s
    state["pedals"] = value + np.clip(wanted - value, -limit, limit)


def wheel_angle_rad(steer: Floats, speed_mps: Floats, powertrain: Powertrain) -> Floats:
    """Return the angle (n,) of the one front wheel that stands for both.

    The nominal angle belongs to the wheel at the inner side of the bend; the middle one follows
    from it as the geometry of Ackermann asks.
    """
    inner = np.abs(steer) * powertrain.steer_curves.at(speed_mps) * powertrain.full_wheel_rad
    inner = np.minimum(inner, LARGEST_WHEEL_RAD)
    # Written without a radius, which straight wheels do not have.
    sine, cosine = exact.sin_cos(inner)
    tan = sine / cosine
    middle = exact.arctan2(
        powertrain.wheelbase_m * tan, powertrain.wheelbase_m + powertrain.half_track_m * tan
    )
    return np.copysign(middle, steer)


def select_gears(state: NDArray[Any], powertrain: Powertrain, wheel_radps: Floats) -> None:
    """Choose the gears from controls and wheel speeds (n,).

    Updates the fields gear and shift_left_s, and what belongs to the gear: ratio, up_radps and
    down_radps.
    """
    gear = state["gear"]
    forward = np.maximum(gear, 1)
    speed = np.abs(wheel_radps)
    shift = (speed > state["up_radps"]).astype(np.int64) - (speed < state["down_radps"])
    shift[(state["shift_left_s"] > 0.0) | (gear < 1)] = 0
    asked = np.clip(state["wanted_gear"], -1, powertrain.gear_count)
    manual = state["manual_gear_shift"] | ~powertrain.automatic
    automatic = np.minimum(forward + shift, powertrain.gear_count)
    automatic[(gear == 0) & (state["pedals"][:, 0] <= 0.0)] = 0
    chosen = np.where(manual, asked, automatic)
    chosen = np.where(state["reverse"], -1, chosen)
    shifted = (chosen != gear) & (chosen > 1)
    state["shift_left_s"] = np.where(shifted, powertrain.gear_switch_s, state["shift_left_s"])
    state["gear"] = chosen
    rows = powertrain.gear_table[np.arange(len(state)), np.abs(chosen)]
    state["ratio"], state["up_radps"], state["down_radps"] = rows.T


def axle_forces(
    state: NDArray[Any], powertrain: Powertrain, forward_mps: Floats, duration_s: float
) -> AxleForces:
    """Shift gears and return what engine and brakes do at the axles during this tick.

    `forward_mps` (n,) is the speed of the body along its own forward axis.
    """
    wheel_radps = forward_mps / powertrain.wheel_radius_m
    left_s, speed = state["shift_left_s"], np.abs(wheel_radps)
    shifting = left_s.any()
    if shifting:
        state["shift_left_s"] = np.maximum(left_s - duration_s, 0.0)
    leaving = (speed > state["up_radps"]) | (speed < state["down_radps"])
    if shifting or (leaving | state["choose_gear"]).any():
        state["choose_gear"] = False
        select_gears(state, powertrain, wheel_radps)
    ratio, direction = state["ratio"], np.sign(state["gear"])
    rpm = np.maximum(wheel_radps * ratio * direction / RADPS_PER_RPM, IDLE_RPM)
    torque_nm = powertrain.peak_torque_nm * powertrain.torque_curves.at(rpm / powertrain.max_rpm)
    throttle, brake = state["pedals"][:, 0], state["pedals"][:, 1]
    leverage = ratio / powertrain.wheel_radius_m
    if shifting:
        leverage *= state["shift_left_s"] <= 0.0
    # CARLA's cars hardly move below 0.3: torque follows the square of the pedal.
    drive_n = direction * leverage * torque_nm * throttle**2
    damping = powertrain.damping_zero + throttle * (
        powertrain.damping_full - powertrain.damping_zero
    )
    drag_nspm = damping * leverage**2 + powertrain.air_nspm2 * np.abs(forward_mps)
    brake_n = brake[:, None] * powertrain.brake_n + powertrain.rolling_n
    brake_n[:, 1] += state["hand_brake"] * powertrain.handbrake_n
    stands = (direction == 0) & (throttle <= 0.0) & (np.abs(forward_mps) < STANDING_MPS)
    if stands.any():
        brake_n[stands] += STANDING_RESISTANCE / ROLLING_RESISTANCE * powertrain.rolling_n[stands]
    drive_share = powertrain.drive_share
    return AxleForces(drive_n[:, None] * drive_share, brake_n, drag_nspm[:, None] * drive_share)


def axle_loads_n(specs: Sequence[VehicleSpec]) -> Floats:
    """Return the static loads (n, 2) of front and rear axle."""
    weight = np.array([spec.mass_kg * GRAVITY_MPS2 for spec in specs])
    front = np.array([spec.rear_axle_m / spec.wheelbase_m for spec in specs])
    return np.stack((weight * front, weight * (1.0 - front)), axis=1)
