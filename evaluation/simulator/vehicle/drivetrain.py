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

# How fast the actuators follow, in full strokes per second: (rise, fall), Unreal's defaults for
# wheeled vehicles.
STEER_RATE_PER_S = (2.5, 5.0)
PEDAL_RATE_PER_S = (6.0, 10.0)

IDLE_RPM = 800.0
ROLLING_RESISTANCE = 0.012
REVERSE_GEAR_SCALE = 1.0
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
    ratio_table: Floats  # total ratios, gears 0 (neutral) to the last; padded with the last
    up_table: Floats
    down_table: Floats
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
        ratio_table=np.array([_gear_row(spec, gear_slots, "ratio") for spec in specs]),
        up_table=np.array([_gear_row(spec, gear_slots, "up") for spec in specs]),
        down_table=np.array([_gear_row(spec, gear_slots, "down") for spec in specs]),
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


def _gear_row(spec: VehicleSpec, slots: int, column: str) -> list[float]:
    gears = [spec.gears[min(slot, len(spec.gears)) - 1] for slot in range(1, slots)]
    if column == "ratio":
        return [0.0] + [gear.ratio * spec.final_ratio for gear in gears]
    if column == "up":
        return [1.0] + [gear.up_ratio for gear in gears]
    return [0.0] + [gear.down_ratio for gear in gears]


def _approach(
    value: Floats, wanted: Floats, rate_per_s: tuple[float, float], duration_s: float
) -> Floats:
    """Move `value` towards `wanted`, faster towards zero (the second rate) than away from it."""
    gap = wanted - value
    falling = np.abs(wanted) < np.abs(value)
    limit = np.where(falling, rate_per_s[1], rate_per_s[0]) * duration_s
    return value + np.clip(gap, -limit, limit)


def _look_up(table: Floats, place: Floats) -> Floats:
    """Interpolate row i of `table` (n, k) linearly at the fractional column `place[i]`."""
    place = np.clip(place, 0.0, table.shape[1] - 1.000001)
    column = place.astype(np.int64)
    rows = np.arange(len(table))
    low, high = table[rows, column], table[rows, column + 1]
    return low + (place - column) * (high - low)


def move_actuators(state: NDArray[Any], duration_s: float) -> None:
    """Let throttle, brake and steer of `state` follow what the last controls ask for."""
    state["throttle"] = _approach(
        state["throttle"], state["wanted_throttle"], PEDAL_RATE_PER_S, duration_s
    )
    state["brake"] = _approach(state["brake"], state["wanted_brake"], PEDAL_RATE_PER_S, duration_s)
    state["steer"] = _approach(state["steer"], state["wanted_steer"], STEER_RATE_PER_S, duration_s)


def wheel_angle_rad(steer: Floats, speed_mps: Floats, powertrain: Powertrain) -> Floats:
    """Return the angle (n,) of the one front wheel that stands for both.

    The nominal angle belongs to the wheel at the inner side of the bend; the middle one follows
    from it as the geometry of Ackermann asks.
    """
    factor = _look_up(powertrain.steer_table, speed_mps / STEER_STEP_MPS)
    inner = np.abs(steer) * factor * powertrain.max_steer_rad * STEER_COMPLIANCE
    radius_m = powertrain.wheelbase_m / np.tan(np.maximum(inner, 1e-9)) + powertrain.half_track_m
    return np.copysign(np.arctan2(powertrain.wheelbase_m, radius_m), steer)


def _select_gears(state: NDArray[Any], powertrain: Powertrain, wheel_radps: Floats) -> None:
    """Update gear and the time left of a shift from controls and revs."""
    rows = np.arange(len(state))
    gear = state["gear"]
    forward = np.maximum(gear, 1)
    revs = np.abs(wheel_radps) * powertrain.ratio_table[rows, forward] / RADPS_PER_RPM
    share = revs / powertrain.max_rpm
    ready = state["shift_left_s"] <= 0.0
    up = ready & (share > powertrain.up_table[rows, forward]) & (forward < powertrain.gear_count)
    down = ready & (share < powertrain.down_table[rows, forward]) & (forward > 1)
    automatic = np.where(state["reverse"], -1, forward + up - down)
    asked = np.clip(state["wanted_gear"], -1, powertrain.gear_count)
    manual = state["manual_gear_shift"] | ~powertrain.automatic
    chosen = np.where(manual, np.where(state["reverse"], -1, asked), automatic)
    shifted = (chosen != gear) & (chosen > 1)
    state["shift_left_s"] = np.where(shifted, powertrain.gear_switch_s, state["shift_left_s"])
    state["gear"] = chosen


def axle_forces(
    state: NDArray[Any], powertrain: Powertrain, forward_mps: Floats, duration_s: float
) -> AxleForces:
    """Shift gears and return what engine and brakes do at the axles during this tick.

    `forward_mps` (n,) is the speed of the body along its own forward axis.
    """
    state["shift_left_s"] = np.maximum(state["shift_left_s"] - duration_s, 0.0)
    wheel_radps = forward_mps / powertrain.wheel_radius_m
    _select_gears(state, powertrain, wheel_radps)
    gear = state["gear"]
    rows = np.arange(len(state))
    ratio = powertrain.ratio_table[rows, np.abs(gear)]
    direction = np.sign(gear)
    revs = np.maximum(wheel_radps * ratio * direction / RADPS_PER_RPM, IDLE_RPM)
    share = revs / powertrain.max_rpm
    torque_nm = _look_up(powertrain.torque_table_nm, share * (TORQUE_POINTS - 1))
    connected = (state["shift_left_s"] <= 0.0) & (gear != 0)
    # CARLA's cars hardly move below 0.3: torque follows the square of the pedal.
    throttle = state["throttle"]
    torque_nm = torque_nm * throttle**2 * connected * (share < 1.0)
    leverage = ratio / powertrain.wheel_radius_m
    damping = powertrain.damping_zero + throttle * (
        powertrain.damping_full - powertrain.damping_zero
    )
    drag_nspm = damping * leverage**2 * connected
    drive_n = (direction * torque_nm * leverage)[:, None] * powertrain.drive_share
    brake_n = state["brake"][:, None] * powertrain.brake_n + powertrain.rolling_n
    brake_n[:, 1] += state["hand_brake"] * powertrain.handbrake_n
    air_nspm = powertrain.air_nspm2 * np.abs(forward_mps)
    drag = (drag_nspm + air_nspm)[:, None] * powertrain.drive_share
    return AxleForces(drive_n, brake_n, drag)


def axle_loads_n(specs: Sequence[VehicleSpec]) -> Floats:
    """Return the static loads (n, 2) of front and rear axle."""
    weight = np.array([spec.mass_kg * GRAVITY_MPS2 for spec in specs])
    front = np.array([spec.rear_axle_m / spec.wheelbase_m for spec in specs])
    return np.stack((weight * front, weight * (1.0 - front)), axis=1)
