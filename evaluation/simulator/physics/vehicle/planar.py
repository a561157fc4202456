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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.physics import exact

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
    yaw_inertia_kgm2: Floats  # (n,) about the vertical
    axle_m: Floats  # (n, 2) signed positions of the axles ahead of the origin: front > 0, rear < 0
    grip_n: Floats  # (n, 2) the largest horizontal force
    stiffness_npr: Floats  # (n, 2) lateral force per radian of slip


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
        lost_mps = (brake_n[:, :1] + brake_n[:, 1:]) * (step_s / chassis.mass_kg[:, None])
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
        secants[:, 2:] = 1.0 / exact.length(linear, sliding_mps / self.lateral_n)
        return secants


class _Velocity(NamedTuple):
    """Velocity of bodies in their own axes, (n,) each: forward, right (m/s) and yaw (rad/s)."""

    forward: Floats
    right: Floats
    yaw: Floats


@dataclass(frozen=True)
class _Contacts:
    """Where the tyres touch the road and how the front ones stand, (n,) each.

    D has the rows (c, s, s a), (1, 0, 0), (-s, c, c a), (0, 1, b): front along, rear along, front
    across, rear across the wheel, with the wheel's cosine c and sine s and the axles at a and b.
    """

    cosine: Floats
    sine: Floats
    front_m: Floats
    rear_m: Floats

    def velocities(self, body: _Velocity) -> Floats:
        """Return D v (n, 4)."""
        side = body.right + self.front_m * body.yaw
        contact = np.empty((len(side), 4))
        contact[:, 0] = self.cosine * body.forward + self.sine * side
        contact[:, 1] = body.forward
        contact[:, 2] = self.cosine * side - self.sine * body.forward
        contact[:, 3] = body.right + self.rear_m * body.yaw
        return contact

    def gain(self, impulse_ns: Floats, chassis: Chassis) -> _Velocity:
        """Return what impulses (n, 2) along the wheels add to the velocity."""
        along, aside = self.cosine * impulse_ns[:, 0], self.sine * impulse_ns[:, 0]
        return _Velocity(
            (along + impulse_ns[:, 1]) / chassis.mass_kg,
            aside / chassis.mass_kg,
            self.front_m * aside / chassis.yaw_inertia_kgm2,
        )

    def solve(self, secants: Floats, chassis: Chassis, body: _Velocity) -> _Velocity:
        """Return the velocity v' of (M + D^T K D) v' = M v, by elimination.

        Written out instead of handed to LAPACK, whose last bits depend on the processor.
        """
        mass, inertia = chassis.mass_kg, chassis.yaw_inertia_kgm2
        c, s, a, b = self.cosine, self.sine, self.front_m, self.rear_m
        front_along, rear_along, front_across, rear_across = secants.T
        mixed = (front_along - front_across) * (c * s)
        side = front_along * (s * s) + front_across * (c * c)
        m00 = mass + (front_along * (c * c) + front_across * (s * s)) + rear_along
        m01, m02 = mixed, a * mixed
        m11 = mass + side + rear_across
        m12 = a * side + b * rear_across
        m22 = inertia + a * (a * side) + b * (b * rear_across)
        l10, l20 = m01 / m00, m02 / m00
        d1, e = m11 - l10 * m01, m12 - l20 * m01
        l21 = e / d1
        d2 = m22 - l20 * m02 - l21 * e
        y0 = mass * body.forward
        y1 = mass * body.right - l10 * y0
        y2 = inertia * body.yaw - l20 * y0 - l21 * y1
        yaw = y2 / d2
        right = y1 / d1 - l21 * yaw
        return _Velocity(y0 / m00 - l10 * right - l20 * yaw, right, yaw)


def tyre_forces(
    state: NDArray[Any],
    chassis: Chassis,
    axle: AxleForces,
    wheel_angle_rad: Floats,
    step_s: float,
) -> tuple[Floats, Floats]:
    """Return how the tyres' contacts move (n, 4) m/s and what the road does to them (n, 4) N.

    The columns are along the wheels, forward, and across them, to the right: front along, rear
    along, front across, rear across. The arguments are those of `step_planar`.
    """
    sine, cosine = exact.sin_cos(wheel_angle_rad)
    contacts = _Contacts(cosine, sine, chassis.axle_m[:, 0], chassis.axle_m[:, 1])
    yaw_sine, yaw_cosine = exact.sin_cos(state["yaw_rad"])
    x_mps, y_mps = state["velocity_mps"][:, 0], state["velocity_mps"][:, 1]
    contact_mps = contacts.velocities(
        _Velocity(
            yaw_cosine * x_mps + yaw_sine * y_mps,
            yaw_cosine * y_mps - yaw_sine * x_mps,
            state["yaw_rate_radps"],
        )
    )
    force_n = -_Grip.of(chassis, axle, step_s).secants(contact_mps) * contact_mps
    force_n[:, :2] += np.minimum(np.maximum(axle.drive_n, -chassis.grip_n), chassis.grip_n)
    return contact_mps, force_n


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
    sine, cosine = exact.sin_cos(wheel_angle_rad)
    contacts = _Contacts(cosine, sine, chassis.axle_m[:, 0], chassis.axle_m[:, 1])
    grip = _Grip.of(chassis, axle, step_s)
    drive_n = np.minimum(np.maximum(axle.drive_n, -chassis.grip_n), chassis.grip_n)
    gain = contacts.gain(step_s * drive_n, chassis)
    if slope_mps2 is not None:
        forward, right = (step_s * slope_mps2).T
        gain = _Velocity(gain.forward + forward, gain.right + right, gain.yaw)
    place, speed = state["position_m"], state["velocity_mps"]
    x_mps, y_mps = speed[:, 0].copy(), speed[:, 1].copy()
    yaw, yaw_rate = state["yaw_rad"].copy(), state["yaw_rate_radps"]
    for _ in range(count):
        # The wheels stand as they will at the end of the step, or velocity would lag behind yaw.
        sine, cosine = exact.sin_cos(yaw + step_s * yaw_rate)
        # Friction answers to the velocity that the other forces alone would bring about.
        body = _Velocity(
            cosine * x_mps + sine * y_mps + gain.forward,
            cosine * y_mps - sine * x_mps + gain.right,
            yaw_rate + gain.yaw,
        )
        secants = step_s * grip.secants(contacts.velocities(body))
        body = contacts.solve(secants, chassis, body)
        before = x_mps, y_mps
        x_mps = cosine * body.forward - sine * body.right
        y_mps = sine * body.forward + cosine * body.right
        place[:, 0] += (0.5 * step_s) * (before[0] + x_mps)
        place[:, 1] += (0.5 * step_s) * (before[1] + y_mps)
        yaw += (0.5 * step_s) * (yaw_rate + body.yaw)
        yaw_rate = body.yaw
    speed[:, 0], speed[:, 1] = x_mps, y_mps
    state["yaw_rad"] = yaw - 2.0 * np.pi * np.rint(yaw / (2.0 * np.pi))
    state["yaw_rate_radps"] = yaw_rate
