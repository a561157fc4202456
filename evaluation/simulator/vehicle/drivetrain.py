"""Pedals, engine, gearbox, brakes and steering gear, vectorised over vehicles.

The structure is that of the drivetrain CARLA uses (engine torque from a curve over revs, viscous
engine drag that grows when the throttle closes, an automatic box that shifts at given revs); the
formulas here are simpler: wheels do not spin up, the clutch is ideal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.vehicle.planar import AxleForces, Floats
from evaluation.simulator.vehicle.spec import (
    AIR_DENSITY_KGPM3,
    GRAVITY_MPS2,
    KMH_PER_MPS,
    STEER_COMPLIANCE,
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
RADPS_PER_RPM = 2.0 * np.pi / 60.0

TORQUE_POINTS = 33
STEER_STEP_MPS = 5.0 / KMH_PER_MPS
STEER_POINTS = 37


@dataclass(frozen=True)
class Powertrain:
    """Constant properties of n vehicles that pedals and steering need; tables are (n, points)."""

    wheelbase_m: Floats
    half_track_m: Floats
    max_steer_rad: Floats
    steer_table: Floats  # factor every STEER_STEP_MPS
    torque_table_nm: Floats  # over even shares of the maximal revs
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
        max_steer_rad=np.array([spec.max_steer_rad for spec in specs]),
        steer_table=np.array([_steer_row(spec) for spec in specs]),
        torque_table_nm=np.array([_torque_row(spec) for spec in specs]),
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


def _steer_row(spec: VehicleSpec) -> Floats:
    curve = np.array(spec.steering_curve_mps, dtype=np.float64)
    row: Floats = np.interp(STEER_STEP_MPS * np.arange(STEER_POINTS), curve[:, 0], curve[:, 1])
    return row


def _torque_row(spec: VehicleSpec) -> Floats:
    curve = np.array(spec.torque_curve_rpm_nm, dtype=np.float64)
    revs = np.linspace(0.0, spec.max_rpm, TORQUE_POINTS)
    row: Floats = np.interp(revs, curve[:, 0], curve[:, 1])
    return row


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


def _look_up(table: Floats, place: Floats) -> Floats:
    """Interpolate row i of `table` (n, k) linearly at the fractional column `place[i]`."""
    place = np.clip(place, 0.0, table.shape[1] - 1.000001)
    column = place.astype(np.int64)
    rows = np.arange(len(table))
    low, high = table[rows, column], table[rows, column + 1]
    return low + (place - column) * (high - low)


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
    factor = _look_up(powertrain.steer_table, speed_mps / STEER_STEP_MPS)
    inner = np.abs(steer) * factor * powertrain.max_steer_rad * STEER_COMPLIANCE
    inner = np.minimum(inner, LARGEST_WHEEL_RAD)
    # Written without a radius, which straight wheels do not have.
    tan = np.tan(inner)
    middle = np.arctan2(
        powertrain.wheelbase_m * tan, powertrain.wheelbase_m + powertrain.half_track_m * tan
    )
    return np.copysign(middle, steer)


def _select_gears(state: NDArray[Any], powertrain: Powertrain, wheel_radps: Floats) -> Floats:
    """Update gear and the time left of a shift; return the ratio (n,) of the new gear."""
    rows = np.arange(len(state))
    gear = state["gear"]
    forward = np.maximum(gear, 1)
    _, up_radps, down_radps = powertrain.gear_table[rows, forward].T
    speed = np.abs(wheel_radps)
    shift = (speed > up_radps).astype(np.int64) - (speed < down_radps)
    chosen = forward + np.where(state["shift_left_s"] <= 0.0, shift, 0)
    manual = state["manual_gear_shift"] | ~powertrain.automatic
    if manual.any():
        asked = np.clip(state["wanted_gear"], -1, powertrain.gear_count)
        chosen = np.where(manual, asked, chosen)
    chosen = np.where(state["reverse"], -1, chosen)
    shifted = (chosen != gear) & (chosen > 1)
    state["shift_left_s"] = np.where(shifted, powertrain.gear_switch_s, state["shift_left_s"])
    state["gear"] = chosen
    ratio: Floats = powertrain.gear_table[rows, np.abs(chosen), 0]
    return ratio


def axle_forces(
    state: NDArray[Any], powertrain: Powertrain, forward_mps: Floats, duration_s: float
) -> AxleForces:
    """Shift gears and return what engine and brakes do at the axles during this tick.

    `forward_mps` (n,) is the speed of the body along its own forward axis.
    """
    state["shift_left_s"] = np.maximum(state["shift_left_s"] - duration_s, 0.0)
    wheel_radps = forward_mps / powertrain.wheel_radius_m
    ratio = _select_gears(state, powertrain, wheel_radps)
    direction = np.sign(state["gear"])
    rpm = np.maximum(wheel_radps * ratio * direction / RADPS_PER_RPM, IDLE_RPM)
    share = rpm / powertrain.max_rpm
    torque_nm = _look_up(powertrain.torque_table_nm, share * (TORQUE_POINTS - 1))
    throttle, brake = state["pedals"][:, 0], state["pedals"][:, 1]
    leverage = ratio / powertrain.wheel_radius_m * (state["shift_left_s"] <= 0.0)
    # CARLA's cars hardly move below 0.3: torque follows the square of the pedal.
    drive_n = direction * leverage * torque_nm * throttle**2 * (share < 1.0)
    damping = powertrain.damping_zero + throttle * (
        powertrain.damping_full - powertrain.damping_zero
    )
    drag_nspm = damping * leverage**2 + powertrain.air_nspm2 * np.abs(forward_mps)
    brake_n = brake[:, None] * powertrain.brake_n + powertrain.rolling_n
    brake_n[:, 1] += state["hand_brake"] * powertrain.handbrake_n
    drive_share = powertrain.drive_share
    return AxleForces(drive_n[:, None] * drive_share, brake_n, drag_nspm[:, None] * drive_share)


def axle_loads_n(specs: Sequence[VehicleSpec]) -> Floats:
    """Return the static loads (n, 2) of front and rear axle."""
    weight = np.array([spec.mass_kg * GRAVITY_MPS2 for spec in specs])
    front = np.array([spec.rear_axle_m / spec.wheelbase_m for spec in specs])
    return np.stack((weight * front, weight * (1.0 - front)), axis=1)
