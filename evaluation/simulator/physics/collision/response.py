"""What contacts do to bodies: impulses along and across the contact, and a push apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.simulator.physics import exact
from evaluation.simulator.physics.collision.geometry import Floats, Ints, Plane, Touches

RESTITUTION = 0.1
FRICTION = 0.4
# Slower contacts do not bounce at all, or stacks of cars would never come to rest.
BOUNCE_FROM_MPS = 0.5
ITERATIONS = 8
# Overlap that is left alone, and the share of the rest that is removed in one tick.
SLOP_M = 0.005
PUSH_SHARE = 0.8


@dataclass
class Motion:
    """What the response reads and changes, for n bodies; fixed bodies have inverse mass 0.

    Places and velocities are complex numbers x + iy.
    """

    position_m: Plane  # (n,)
    velocity_mps: Plane  # (n,)
    yaw_rate_radps: Floats  # (n,)
    inverse_mass: Floats  # (n,)
    inverse_inertia: Floats  # (n,)


class _Contact:
    """One contact during the iterations, in plain floats (few contacts: faster than arrays)."""

    __slots__ = ("a", "across", "along", "arms", "b", "effective", "normal", "target")

    def __init__(self, motion: Motion, a: int, b: int, normal: complex, point: complex) -> None:
        self.a, self.b = a, b
        self.normal = (normal.real, normal.imag)
        # Parts of each arm: to the left of the normal (its lever), and along the normal.
        arm_a = normal * complex(point - motion.position_m[a]).conjugate()
        arm_b = normal * complex(point - motion.position_m[b]).conjugate()
        lever = (arm_a.imag, arm_b.imag, arm_a.real, arm_b.real)
        self.arms = lever
        mass = float(motion.inverse_mass[a] + motion.inverse_mass[b])
        inertia_a, inertia_b = float(motion.inverse_inertia[a]), float(motion.inverse_inertia[b])
        squares = [arm * arm for arm in lever]
        self.effective = (
            1.0 / (mass + inertia_a * squares[0] + inertia_b * squares[1]),
            1.0 / (mass + inertia_a * squares[2] + inertia_b * squares[3]),
        )
        self.along = self.across = self.target = 0.0


def resolve(motion: Motion, a: Ints, b: Ints, touches: Touches) -> Floats:
    """Change `motion` so that contacts stop closing and come apart; return impulses (m,) in N s.

    Contact k is between bodies `a[k]` and `b[k]`, its normal points from a to b. At least one of
    the two must be movable. The impulses are those along the normal, never negative.
    """
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    contacts = [
        _Contact(motion, i, j, normal, point)
        for (i, j), normal, point in zip(
            pairs, touches.normal.tolist(), touches.point_m.tolist(), strict=True
        )
    ]
    bodies = {index: _body(motion, index) for pair in pairs for index in pair}
    for contact in contacts:
        closing = _closing_mps(contact, bodies)
        contact.target = RESTITUTION * closing if closing > BOUNCE_FROM_MPS else 0.0
    for _ in range(ITERATIONS):
        for contact in contacts:
            _push(contact, bodies)
    for index, body in bodies.items():
        motion.velocity_mps[index] = complex(body[0], body[1])
        motion.yaw_rate_radps[index] = body[2]
    _separate(motion, a, b, touches)
    return np.array([contact.along for contact in contacts])


def _body(motion: Motion, index: int) -> list[float]:
    """Return velocity x and y, yaw rate, inverse mass and inverse inertia of a body."""
    return [
        float(motion.velocity_mps[index].real),
        float(motion.velocity_mps[index].imag),
        float(motion.yaw_rate_radps[index]),
        float(motion.inverse_mass[index]),
        float(motion.inverse_inertia[index]),
    ]


def _closing_mps(contact: _Contact, bodies: dict[int, list[float]]) -> float:
    """Speed at which the contact point of a runs into b."""
    first, second = bodies[contact.a], bodies[contact.b]
    nx, ny = contact.normal
    closing = (first[0] - second[0]) * nx + (first[1] - second[1]) * ny
    return closing + first[2] * contact.arms[0] - second[2] * contact.arms[1]


def _push(contact: _Contact, bodies: dict[int, list[float]]) -> None:
    """Apply one iteration of the normal and of the friction impulse of a contact."""
    first, second = bodies[contact.a], bodies[contact.b]
    nx, ny = contact.normal
    wanted = (_closing_mps(contact, bodies) + contact.target) * contact.effective[0]
    total = max(contact.along + wanted, 0.0)
    _apply(first, second, total - contact.along, nx, ny, contact.arms[0], contact.arms[1])
    contact.along = total
    # The tangent is the normal turned to the right: (-ny, nx).
    sliding = (second[0] - first[0]) * ny + (first[1] - second[1]) * nx
    sliding += first[2] * contact.arms[2] - second[2] * contact.arms[3]
    limit = FRICTION * contact.along
    total = min(max(contact.across + sliding * contact.effective[1], -limit), limit)
    _apply(first, second, total - contact.across, -ny, nx, contact.arms[2], contact.arms[3])
    contact.across = total


def _apply(
    first: list[float],
    second: list[float],
    impulse: float,
    x: float,
    y: float,
    lever_a: float,
    lever_b: float,
) -> None:
    """Take an impulse along (x, y) from the first body and give it to the second."""
    first[0] -= impulse * x * first[3]
    first[1] -= impulse * y * first[3]
    first[2] -= impulse * lever_a * first[4]
    second[0] += impulse * x * second[3]
    second[1] += impulse * y * second[3]
    second[2] += impulse * lever_b * second[4]


def _separate(motion: Motion, a: Ints, b: Ints, touches: Touches) -> None:
    """Move overlapping bodies apart, the lighter one more."""
    mass_a, mass_b = motion.inverse_mass[a], motion.inverse_mass[b]
    push_m = PUSH_SHARE * np.maximum(touches.depth_m - SLOP_M, 0.0) / (mass_a + mass_b)
    x, y = touches.normal.real, touches.normal.imag
    for bodies, way_m in ((a, -(push_m * mass_a)), (b, push_m * mass_b)):
        np.add.at(motion.position_m, bodies, exact.plane(way_m * x, way_m * y))
