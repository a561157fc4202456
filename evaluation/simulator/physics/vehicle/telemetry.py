"""What the physics of vehicles say of their tyres at present, as CARLA's telemetry has it.

The model has one tyre an axle: both wheels of an axle tell the same, each half of the forces.
Wheels roll without slipping along their way, and loads are those of a vehicle at rest, none in the
air. Forces are the ones that the state at hand calls for.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from evaluation.simulator.physics.vehicle.drivetrain import (
    IDLE_RPM,
    RADPS_PER_RPM,
    axle_forces,
    axle_loads_n,
)
from evaluation.simulator.physics.vehicle.fleet import VehicleFleet
from evaluation.simulator.physics.vehicle.planar import tyre_forces
from evaluation.simulator.physics.vehicle.spec import AIR_DENSITY_KGPM3
from evaluation.simulator.physics.vehicle.suspension import CONTACT_GAP_M
from evaluation.simulator.wire.codec import Transform


class WheelTelemetry(NamedTuple):
    """One wheel, in the order of carla.WheelTelemetryData: slip across in degrees, positive to the
    right, and along as a share; turning speed in rad/s; forces on the vehicle in N, forward and to
    the right; torque of the road on the wheel in N m; forces as shares of the load at rest."""

    tire_friction: float
    lat_slip: float
    long_slip: float
    omega: float
    tire_load: float
    normalized_tire_load: float
    torque: float
    long_force: float
    lat_force: float
    normalized_long_force: float
    normalized_lat_force: float


class VehicleTelemetry(NamedTuple):
    """One vehicle, in the order of carla.VehicleTelemetryData: speed forward in m/s, what was last
    asked of the pedals, drag of the air in N; wheels front left, front right, rear left, rear
    right."""

    speed: float
    steer: float
    throttle: float
    brake: float
    engine_rpm: float
    gear: int
    drag: float
    wheels: tuple[WheelTelemetry, ...]


def telemetry(fleet: VehicleFleet, actor_id: int, step_s: float) -> VehicleTelemetry:
    """Return what a vehicle of the fleet does now; `step_s` is the time step of the physics.

    Raises:
        KeyError: no such vehicle.
    """
    spec = fleet.spec(actor_id)
    alone = VehicleFleet()
    alone.add(actor_id, spec, Transform())
    alone.state[:] = fleet.state[[fleet.row(actor_id)]]
    state, (chassis, powertrain) = alone.state, alone.tables()
    x_mps, y_mps, _ = state["velocity_mps"][0].tolist()
    sin, cos = (float(part[0]) for part in alone.heading())
    forward_mps = cos * x_mps + sin * y_mps
    axle = axle_forces(state, powertrain, np.array([forward_mps]), 0.0)
    contact_mps, force_n = tyre_forces(
        state, chassis, axle, state["wheel_angle_rad"], max(step_s, 1e-3)
    )
    on_ground = bool(
        state["physics"][0] and state["gravity"][0] and state["ground_gap_m"][0] <= CONTACT_GAP_M
    )
    rest_n = axle_loads_n([spec])[0] / 2.0
    wheels = []
    for number, half_load_n in enumerate(rest_n.tolist()):
        along_mps, aside_mps = (float(contact_mps[0, number + part]) for part in (0, 2))
        long_n, lat_n = (
            float(force_n[0, number + part]) / 2.0 if on_ground else 0.0 for part in (0, 2)
        )
        wheel = WheelTelemetry(
            spec.tyre_friction,
            math.degrees(math.atan2(aside_mps, abs(along_mps))) if along_mps or aside_mps else 0.0,
            0.0,
            along_mps / spec.wheel_radius_m,
            half_load_n if on_ground else 0.0,
            1.0 if on_ground else 0.0,
            -long_n * spec.wheel_radius_m,
            long_n,
            lat_n,
            abs(long_n) / half_load_n,
            abs(lat_n) / half_load_n,
        )
        wheels += [wheel, wheel]
    throttle, brake, steer = state["wanted_pedals"][0].tolist()
    gear = int(state["gear"][0])
    geared_radps = forward_mps / spec.wheel_radius_m * float(state["ratio"][0]) * np.sign(gear)
    return VehicleTelemetry(
        speed=forward_mps,
        steer=steer,
        throttle=throttle,
        brake=brake,
        engine_rpm=max(float(geared_radps) / RADPS_PER_RPM, IDLE_RPM),
        gear=gear,
        drag=0.5 * AIR_DENSITY_KGPM3 * spec.drag_area_m2 * forward_mps**2,
        wheels=tuple(wheels),
    )
