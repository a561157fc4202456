"""Motion in the ground plane: a dynamic single-track model, vectorised over vehicles.

Every tyre contact is treated as a friction element whose force opposes the velocity of the contact
point, with a secant coefficient taken from the velocities before the step (limited by grip), and
the step is solved implicitly for (forward, right, yaw) velocity:

    (M + h D^T K D) v' = M v + h f

M is the inertia, h the step, D maps body velocity to contact velocities, K >= 0 holds the secant
coefficients and f the driving forces. Friction can therefore never add energy, whatever the
controls or the step. For slow vehicles the lateral coefficients become so stiff that the contacts
no longer slip sideways: the same equations turn into the kinematic bicycle without any switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_SUBSTEP_S = 1.0 / 59.0
# Contact speeds below which friction stops growing stiffer, along and across the wheel.
ROLL_REST_MPS = 1e-3
SLIP_REST_MPS = 0.3
# A skidding wheel keeps this share of its grip across its direction.
SKID_LATERAL_SHARE = 0.3


@dataclass(frozen=True)
class AxleForces:
    """What the drivetrain and the brakes do during one tick, as arrays (n, 2): front, rear.

    `drive_n` pushes along the wheel, `brake_n` (>= 0) opposes rolling, `drag_nspm` (>= 0) opposes
    rolling in proportion to its speed.
    """

    drive_n: Floats
    brake_n: Floats
    drag_nspm: Floats


@dataclass(frozen=True)
class Chassis:
    """Constant properties of n vehicles that the planar model needs."""

    mass_kg: Floats  # (n,)
    yaw_inertia_kgm2: Floats  # (n,)
    axle_m: Floats  # (n, 2) signed positions of the axles ahead of the origin: front > 0, rear < 0
    load_n: Floats  # (n, 2)
    grip: Floats  # (n, 2) friction coefficients
    stiffness_npr: Floats  # (n, 2) lateral force per radian of slip

    @property
    def grip_n(self) -> Floats:
        """The largest horizontal force of each axle, (n, 2)."""
        return self.grip * self.load_n


def _contact_rows(wheel_angle_rad: Floats, axle_m: Floats) -> Floats:
    """Return D (n, 4, 3): front along, rear along, front across, rear across the wheel."""
    rows = np.zeros((len(wheel_angle_rad), 4, 3))
    cos, sin = np.cos(wheel_angle_rad), np.sin(wheel_angle_rad)
    rows[:, 0, 0] = cos
    rows[:, 0, 1] = sin
    rows[:, 0, 2] = sin * axle_m[:, 0]
    rows[:, 1, 0] = 1.0
    rows[:, 2, 0] = -sin
    rows[:, 2, 1] = cos
    rows[:, 2, 2] = cos * axle_m[:, 0]
    rows[:, 3, 1] = 1.0
    rows[:, 3, 2] = axle_m[:, 1]
    return rows


def _friction(contact_mps: Floats, chassis: Chassis, axle: AxleForces, step_s: float) -> Floats:
    """Return the secant coefficients K (n, 4) for contact velocities (n, 4)."""
    grip_n = chassis.grip_n
    rolling_mps = np.abs(contact_mps[:, :2])
    sliding_mps = np.abs(contact_mps[:, 2:])
    brake_n = np.minimum(axle.brake_n, grip_n)
    # Chosen so that one implicit step loses exactly (total brake force) * h / m of speed.
    lost_mps = brake_n.sum(axis=1, keepdims=True) * (step_s / chassis.mass_kg[:, None])
    along = brake_n / np.maximum(rolling_mps - lost_mps, ROLL_REST_MPS) + axle.drag_nspm
    used_n = np.minimum(np.maximum(brake_n, np.abs(axle.drive_n)), grip_n)
    left_n = np.sqrt(np.maximum(grip_n**2 - used_n**2, (SKID_LATERAL_SHARE * grip_n) ** 2))
    linear = np.maximum(rolling_mps, SLIP_REST_MPS) / chassis.stiffness_npr
    across = 1.0 / np.hypot(linear, sliding_mps / left_n)
    return np.concatenate((along, across), axis=1)


def step_planar(
    state: NDArray[Any],
    chassis: Chassis,
    axle: AxleForces,
    wheel_angle_rad: Floats,
    slope_mps2: Floats,
    duration_s: float,
) -> None:
    """Advance position, yaw, velocity and yaw rate of `state` in place.

    `state` is a structured array with fields position_m (3), velocity_mps (3), yaw_rad,
    yaw_rate_radps. `slope_mps2` (n, 2) is gravity's part along the body's forward and right axes.
    """
    count = ceil(duration_s / MAX_SUBSTEP_S)
    step_s = duration_s / count
    rows = _contact_rows(wheel_angle_rad, chassis.axle_m)
    columns = rows.transpose(0, 2, 1)
    grip_n = chassis.grip_n
    force = np.clip(axle.drive_n, -grip_n, grip_n)[:, None, :] @ rows[:, :2, :]
    impulse = step_s * force[:, 0, :]
    impulse[:, :2] += step_s * chassis.mass_kg[:, None] * slope_mps2
    inertia = np.stack((chassis.mass_kg, chassis.mass_kg, chassis.yaw_inertia_kgm2), axis=1)
    mass_matrix = inertia[:, :, None] * np.eye(3)
    position = state["position_m"][:, :2].copy()
    velocity = state["velocity_mps"][:, :2].copy()
    yaw = state["yaw_rad"].copy()
    body: Floats = np.empty((len(yaw), 3))
    body[:, 2] = state["yaw_rate_radps"]
    for _ in range(count):
        cos, sin = np.cos(yaw), np.sin(yaw)
        body[:, 0] = cos * velocity[:, 0] + sin * velocity[:, 1]
        body[:, 1] = cos * velocity[:, 1] - sin * velocity[:, 0]
        contact = (rows @ body[:, :, None])[:, :, 0]
        friction = _friction(contact, chassis, axle, step_s)
        matrix = mass_matrix + columns @ ((step_s * friction)[:, :, None] * rows)
        solved = np.linalg.solve(matrix, (inertia * body + impulse)[:, :, None])
        body = np.asarray(solved[:, :, 0], dtype=np.float64)
        velocity[:, 0] = cos * body[:, 0] - sin * body[:, 1]
        velocity[:, 1] = sin * body[:, 0] + cos * body[:, 1]
        position += step_s * velocity
        yaw += step_s * body[:, 2]
    state["position_m"][:, :2] = position
    state["velocity_mps"][:, :2] = velocity
    state["yaw_rad"] = np.remainder(yaw + np.pi, 2.0 * np.pi) - np.pi
    state["yaw_rate_radps"] = body[:, 2]
