"""Motion in the ground plane: a dynamic single-track model, vectorised over vehicles.

Every tyre contact is treated as a friction element whose force opposes the velocity of the contact
point, with a secant coefficient limited by grip, and the step is solved implicitly for (forward,
right, yaw) velocity:

    (M + h D^T K D) v' = M v + h f

M is the inertia, h the step, D maps body velocity to contact velocities, f are the driving forces
and K >= 0 holds the secant coefficients, taken from the velocity that f alone would bring about.
Friction can therefore never add energy, whatever the controls or the step, and one step of 50 ms is
accurate to centimetres in normal driving. For slow vehicles the lateral coefficients become so
stiff that the contacts no longer slip sideways: the same equations turn into the kinematic bicycle
without any switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_SUBSTEP_S = 1.0 / 19.0
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
    inertia: Floats  # (n, 3) mass, mass, moment of inertia about the vertical
    mass_matrix: Floats  # (n, 3, 3) the same on a diagonal
    axle_m: Floats  # (n, 2) signed positions of the axles ahead of the origin: front > 0, rear < 0
    grip_n: Floats  # (n, 2) the largest horizontal force
    stiffness_npr: Floats  # (n, 2) lateral force per radian of slip


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


@dataclass(frozen=True)
class _Grip:
    """What limits friction during one tick, (n, 2) each: front, rear."""

    brake_n: Floats
    lost_mps: Floats  # speed that the brakes take in one step
    spare_n: Floats  # grip that the brakes leave to the drag of the engine
    drag_nspm: Floats
    lateral_n: Floats  # what is left for cornering
    stiffness_npr: Floats

    @classmethod
    def of(cls, chassis: Chassis, axle: AxleForces, step_s: float) -> _Grip:
        """Share the grip of each axle between what it does along and across its wheels."""
        grip_n = chassis.grip_n
        brake_n = np.minimum(axle.brake_n, grip_n)
        lost_mps = brake_n.sum(axis=1, keepdims=True) * (step_s / chassis.mass_kg[:, None])
        used_n = np.minimum(np.maximum(brake_n, np.abs(axle.drive_n)), grip_n)
        left_n2 = np.maximum(grip_n**2 - used_n**2, (SKID_LATERAL_SHARE * grip_n) ** 2)
        return cls(
            brake_n,
            lost_mps,
            grip_n - brake_n,
            axle.drag_nspm,
            np.sqrt(left_n2),
            chassis.stiffness_npr,
        )

    def secants(self, contact_mps: Floats) -> Floats:
        """Return the secant coefficients K (n, 4) for contact velocities (n, 4)."""
        speed_mps = np.abs(contact_mps)
        rolling_mps, sliding_mps = speed_mps[:, :2], speed_mps[:, 2:]
        secants = np.empty_like(speed_mps)
        # With the brakes' own loss taken off, one implicit step loses exactly force * h / m.
        along = self.brake_n / np.maximum(rolling_mps - self.lost_mps, ROLL_REST_MPS)
        most = self.spare_n / np.maximum(rolling_mps, ROLL_REST_MPS)
        secants[:, :2] = along + np.minimum(self.drag_nspm, most)
        linear = np.maximum(rolling_mps, SLIP_REST_MPS) / self.stiffness_npr
        secants[:, 2:] = 1.0 / np.hypot(linear, sliding_mps / self.lateral_n)
        return secants


def step_planar(
    state: NDArray[Any],
    chassis: Chassis,
    axle: AxleForces,
    wheel_angle_rad: Floats,
    slope_mps2: Floats | None,
    duration_s: float,
) -> None:
    """Advance position, yaw, velocity and yaw rate of `state` in place.

    `state` is a structured array with fields position_m (3), velocity_mps (3), yaw_rad,
    yaw_rate_radps. `slope_mps2` (n, 2) is gravity's part along the body's forward and right axes,
    None on the level.
    """
    count = ceil(duration_s / MAX_SUBSTEP_S)
    step_s = duration_s / count
    rows = _contact_rows(wheel_angle_rad, chassis.axle_m)
    # D^T K D is linear in K: with the outer products of the rows it takes one product per step.
    outer = (rows[:, :, :, None] * rows[:, :, None, :]).reshape(-1, 4, 9)
    grip = _Grip.of(chassis, axle, step_s)
    drive_n = np.minimum(np.maximum(axle.drive_n, -chassis.grip_n), chassis.grip_n)
    gain = (step_s * drive_n[:, None, :] @ rows[:, :2, :])[:, 0, :] / chassis.inertia
    if slope_mps2 is not None:
        gain[:, :2] += step_s * slope_mps2
    # Vectors of the plane as complex numbers x + iy: turning them is one product.
    place, speed = state["position_m"], state["velocity_mps"]
    position = place[:, 0] + 1j * place[:, 1]
    velocity = speed[:, 0] + 1j * speed[:, 1]
    yaw, yaw_rate = state["yaw_rad"].copy(), state["yaw_rate_radps"]
    body: Floats = np.empty((len(yaw), 3))
    for _ in range(count):
        # The wheels stand as they will at the end of the step, or velocity would lag behind yaw.
        heading = np.exp(1j * (yaw + step_s * yaw_rate))
        body_velocity = velocity * heading.conj()
        body[:, 0], body[:, 1], body[:, 2] = body_velocity.real, body_velocity.imag, yaw_rate
        # Friction answers to the velocity that the other forces alone would bring about.
        body += gain
        secants = grip.secants((rows @ body[:, :, None])[:, :, 0])
        matrix = (step_s * secants[:, None, :] @ outer).reshape(-1, 3, 3) + chassis.mass_matrix
        solved = np.linalg.solve(matrix, (chassis.inertia * body)[:, :, None])
        before = velocity
        velocity = (solved[:, 0, 0] + 1j * solved[:, 1, 0]) * heading
        position += (0.5 * step_s) * (before + velocity)
        yaw += (0.5 * step_s) * (yaw_rate + solved[:, 2, 0])
        yaw_rate = solved[:, 2, 0]
    place[:, 0], place[:, 1] = position.real, position.imag
    speed[:, 0], speed[:, 1] = velocity.real, velocity.imag
    state["yaw_rad"] = yaw - 2.0 * np.pi * np.rint(yaw / (2.0 * np.pi))
    state["yaw_rate_radps"] = yaw_rate
