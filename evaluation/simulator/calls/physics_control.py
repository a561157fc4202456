"""Between a vehicle's specification and the physics control that clients read and change."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from evaluation.simulator.physics.pose import place
from evaluation.simulator.physics.vehicle import Gear, VehicleSpec
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D
from evaluation.simulator.wire.settings_records import GearPhysics, VehiclePhysics, WheelPhysics

_CM_PER_M = 100.0
_KMH_PER_MPS = 3.6
_MIN_MASS_KG = 1.0


def physics_of(spec: VehicleSpec, transform: Transform) -> VehiclePhysics:
    """Return what `get_physics_control` shows of a vehicle that stands at `transform`."""
    return VehiclePhysics(
        torque_curve=spec.torque_curve_rpm_nm,
        max_rpm=spec.max_rpm,
        damping_rate_full_throttle=spec.damping_full_throttle,
        damping_rate_zero_throttle_clutch_engaged=spec.damping_zero_throttle,
        damping_rate_zero_throttle_clutch_disengaged=spec.damping_zero_throttle,
        use_gear_autobox=spec.automatic,
        gear_switch_time=spec.gear_switch_s,
        final_ratio=spec.final_ratio,
        forward_gears=tuple(
            GearPhysics(gear.ratio, gear.down_ratio, gear.up_ratio) for gear in spec.gears
        ),
        mass=spec.mass_kg,
        drag_coefficient=spec.drag_coefficient,
        center_of_mass=Vector3D(),
        steering_curve=tuple(
            (speed_mps * _KMH_PER_MPS, share) for speed_mps, share in spec.steering_curve_mps
        ),
        wheels=_wheels(spec, transform),
    )


def keep_unsimulated(
    shown: VehiclePhysics, applied: VehiclePhysics, other_tyres: bool
) -> VehiclePhysics:
    """Return what a client applied, with the wheels where they stand now.

    As in CARLA all fields come back as they were set, those too that change nothing here.

    Args:
        other_tyres: whether a friction trigger has changed what the client applied.
    """
    wheels = tuple(
        wheel._replace(
            position=now.position,
            tire_friction=now.tire_friction if other_tyres else wheel.tire_friction,
        )
        for wheel, now in zip(applied.wheels or shown.wheels, shown.wheels, strict=False)
    )
    return applied._replace(wheels=wheels)


def hubs(spec: VehicleSpec, steer_rad: float) -> list[Transform]:
    """Return where the wheels are in the vehicle's axes: front left, front right, rear left, rear
    right; CARLA gives bicycles four as well. The front ones are turned by `steer_rad`."""
    turned = Rotation(yaw=math.degrees(steer_rad))
    return [
        Transform(Vector3D(along_m, side_m, spec.wheel_radius_m), rotation)
        for along_m, rotation in ((spec.front_axle_m, turned), (-spec.rear_axle_m, Rotation()))
        for side_m in (-spec.half_track_m, spec.half_track_m)
    ]


def _wheels(spec: VehicleSpec, transform: Transform) -> tuple[WheelPhysics, ...]:
    """Return the four wheels of a vehicle that stands at `transform`."""
    wheels = []
    for hub in hubs(spec, 0.0):
        front = hub.location.x > 0.0
        position_cm = np.array(place(transform, hub).location) * _CM_PER_M
        wheels.append(
            WheelPhysics(
                tire_friction=spec.tyre_friction,
                max_steer_angle=math.degrees(spec.max_steer_rad) if front else 0.0,
                radius=spec.wheel_radius_m * _CM_PER_M,
                max_brake_torque=spec.brake_torque_nm,
                max_handbrake_torque=0.0 if front else spec.handbrake_torque_nm,
                position=Vector3D(*position_cm.tolist()),
            )
        )
    return tuple(wheels)


def spec_with(spec: VehicleSpec, physics: VehiclePhysics) -> VehicleSpec:
    """Return a specification with what a client changed in its physics control."""
    front = [wheel for wheel in physics.wheels if wheel.max_steer_angle > 0.0]
    wheel = front[0] if front else None
    rear = physics.wheels[-1] if physics.wheels else None
    return replace(
        spec,
        mass_kg=max(physics.mass, _MIN_MASS_KG),
        drag_coefficient=physics.drag_coefficient,
        torque_curve_rpm_nm=physics.torque_curve or spec.torque_curve_rpm_nm,
        max_rpm=physics.max_rpm or spec.max_rpm,
        damping_full_throttle=physics.damping_rate_full_throttle,
        damping_zero_throttle=physics.damping_rate_zero_throttle_clutch_engaged,
        automatic=physics.use_gear_autobox,
        gear_switch_s=physics.gear_switch_time,
        final_ratio=physics.final_ratio or spec.final_ratio,
        gears=tuple(Gear(*gear) for gear in physics.forward_gears) or spec.gears,
        steering_curve_mps=tuple(
            (speed_kmh / _KMH_PER_MPS, share) for speed_kmh, share in physics.steering_curve
        )
        or spec.steering_curve_mps,
        tyre_friction=wheel.tire_friction if wheel else spec.tyre_friction,
        max_steer_rad=math.radians(wheel.max_steer_angle) if wheel else spec.max_steer_rad,
        brake_torque_nm=wheel.max_brake_torque if wheel else spec.brake_torque_nm,
        handbrake_torque_nm=rear.max_handbrake_torque if rear else spec.handbrake_torque_nm,
    )
