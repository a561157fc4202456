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

MAX_SUBSTEP_S = 1.0 / 39.0
_DIAGONAL = np.arange(3)
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
        return cls(brake_n, lost_mps, axle.drag_nspm, np.sqrt(left_n2), chassis.stiffness_npr)

    def secants(self, contact_mps: Floats) -> Floats:
        """Return the secant coefficients K (n, 4) for contact velocities (n, 4)."""
        speed_mps = np.abs(contact_mps)
        rolling_mps, sliding_mps = speed_mps[:, :2], speed_mps[:, 2:]
        secants = np.empty_like(speed_mps)
        # With the brakes' own loss taken off, one implicit step loses exactly force * h / m.
        along = self.brake_n / np.maximum(rolling_mps - self.lost_mps, ROLL_REST_MPS)
        secants[:, :2] = along + self.drag_nspm
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
    columns = step_s * rows.transpose(0, 2, 1)
    grip = _Grip.of(chassis, axle, step_s)
    drive_n = np.clip(axle.drive_n, -chassis.grip_n, chassis.grip_n)
    impulse = (columns[:, :, :2] @ drive_n[:, :, None])[:, :, 0]
    if slope_mps2 is not None:
        impulse[:, :2] += step_s * chassis.mass_kg[:, None] * slope_mps2
    inertia = chassis.inertia
    # Vectors of the plane as complex numbers x + iy: turning them is one product.
    position = state["position_m"][:, 0] + 1j * state["position_m"][:, 1]
    velocity = state["velocity_mps"][:, 0] + 1j * state["velocity_mps"][:, 1]
    yaw = state["yaw_rad"].copy()
    body: Floats = np.empty((len(yaw), 3))
    body[:, 2] = state["yaw_rate_radps"]
    for _ in range(count):
        heading = np.exp(1j * yaw)
        body_velocity = velocity * heading.conj()
        body[:, 0], body[:, 1] = body_velocity.real, body_velocity.imag
        secants = grip.secants((rows @ body[:, :, None])[:, :, 0])
        matrix = columns @ (secants[:, :, None] * rows)
        matrix[:, _DIAGONAL, _DIAGONAL] += inertia
        solved = np.linalg.solve(matrix, (inertia * body + impulse)[:, :, None])
        body = np.asarray(solved[:, :, 0], dtype=np.float64)
        velocity = (body[:, 0] + 1j * body[:, 1]) * heading
        position += step_s * velocity
        yaw += step_s * body[:, 2]
    state["position_m"][:, 0], state["position_m"][:, 1] = position.real, position.imag
    state["velocity_mps"][:, 0], state["velocity_mps"][:, 1] = velocity.real, velocity.imag
    state["yaw_rad"] = np.remainder(yaw + np.pi, 2.0 * np.pi) - np.pi
    state["yaw_rate_radps"] = body[:, 2]
