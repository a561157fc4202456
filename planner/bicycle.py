"""Kinematic bicycle model of CARLA's cars.

The constants were fitted to CARLA by World on Rails (D. Chen, V. Koltun, P. Kraehenbuehl, ICCV
2021); the model itself is that of P. Polack et al., "The kinematic bicycle model", IV 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.records import Control, FloatArray


@dataclass(frozen=True)
class BicycleConstants:
    """Fitted constants; the lengths are effective values and not those of the axles.

    Attributes:
        front_length_m: from the vehicle's origin to the front axle.
        rear_length_m: from the rear axle to the vehicle's origin.
        steer_gain_rad: wheel angle at full steer.
        brake_mps2: acceleration at full brake (negative).
        throttle_mps2: acceleration at full throttle.
    """

    front_length_m: float = -0.090769015
    rear_length_m: float = 1.4178275
    steer_gain_rad: float = 0.36848336
    brake_mps2: float = -4.952399
    throttle_mps2: float = 0.5633837


def slip_angle_rad(steer: float, constants: BicycleConstants) -> float:
    """Angle between the heading and the velocity of the vehicle's origin."""
    ratio = constants.rear_length_m / (constants.front_length_m + constants.rear_length_m)
    return float(np.arctan(ratio * np.tan(constants.steer_gain_rad * steer)))


def predict(
    states: FloatArray,
    control: Control,
    dt_s: float,
    constants: BicycleConstants,
    slip_offset_rad: FloatArray | float = 0.0,
) -> FloatArray:
    """Advance states by one time step.

    Args:
        states: (..., 4) x and y in world metres, yaw in radians, forward speed in m/s.
        control: what was applied during the step; brake takes precedence over throttle.
        dt_s: length of the step.
        constants: the vehicle's.
        slip_offset_rad: (...) added to the slip angle that the steer explains.

    Returns:
        (..., 4) states after the step; yaw is not wrapped; braking never reverses the motion.
    """
    x_m, y_m, yaw_rad, speed_mps = np.moveaxis(states, -1, 0)
    slip_rad = slip_angle_rad(control.steer, constants) + slip_offset_rad
    yaw_rate_radps = speed_mps * np.sin(slip_rad) / constants.rear_length_m
    # The heading half-way through the step keeps curves free of a first-order bias.
    course_rad = yaw_rad + slip_rad + 0.5 * dt_s * yaw_rate_radps
    if control.brake > 0.0:
        loss_mps = -constants.brake_mps2 * control.brake * dt_s
        next_speed_mps = np.sign(speed_mps) * np.maximum(np.abs(speed_mps) - loss_mps, 0.0)
    else:
        next_speed_mps = speed_mps + constants.throttle_mps2 * control.throttle * dt_s
    return np.stack(
        [
            x_m + speed_mps * np.cos(course_rad) * dt_s,
            y_m + speed_mps * np.sin(course_rad) * dt_s,
            yaw_rad + yaw_rate_radps * dt_s,
            next_speed_mps,
        ],
        axis=-1,
    )
