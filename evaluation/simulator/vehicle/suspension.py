"""Height, pitch and roll of vehicles from the ground under their wheels.

Each of the three follows the ground like a critically damped spring solved implicitly, so steps in
a measured ground (kerbs, joints of meshes) do not show as spikes; nothing falls faster than gravity
lets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.vehicle.planar import Floats
from evaluation.simulator.vehicle.spec import GRAVITY_MPS2

GroundHeight = Callable[[Floats, Floats], Floats]
"""Ground height (n,) for points (n, 2) and, of several levels, near these heights (n,)."""

BODY_STIFFNESS_RADPS = 12.0
# How far above its ground a body may be to be touched by the road's friction.
CONTACT_GAP_M = 0.3
SETTLED_SPEED_MPS = 1e-3
SETTLED_GAP_M = 1e-4


def wheel_ground_m(
    state: NDArray[Any], axle_m: Floats, half_track_m: Floats, ground_height: GroundHeight
) -> Floats:
    """Return the ground height (n, 4) under front left, front right, rear left, rear right."""
    cos, sin = np.cos(state["yaw_rad"]), np.sin(state["yaw_rad"])
    along = axle_m[:, [0, 0, 1, 1]]
    across = half_track_m[:, None] * np.array([-1.0, 1.0, -1.0, 1.0])
    x = state["position_m"][:, :1] + cos[:, None] * along - sin[:, None] * across
    y = state["position_m"][:, 1:2] + sin[:, None] * along + cos[:, None] * across
    near_z = np.repeat(state["position_m"][:, 2], 4)
    heights = ground_height(np.stack((x.ravel(), y.ravel()), axis=1), near_z)
    return np.asarray(heights, dtype=np.float64).reshape(-1, 4)


def _follow(
    value: Floats, rate: Floats, target: Floats, target_rate: Floats, step_s: float
) -> Floats:
    """Return the new rate of a critically damped follower after one implicit step."""
    omega = BODY_STIFFNESS_RADPS
    push = omega**2 * (target - value) + 2.0 * omega * target_rate
    return (rate + step_s * push) / (1.0 + 2.0 * omega * step_s + (omega * step_s) ** 2)


def step_suspension(
    state: NDArray[Any], ground_m: Floats, axle_m: Floats, half_track_m: Floats, step_s: float
) -> None:
    """Advance height, pitch, roll and their rates in place towards the ground (n, 4).

    Fields used: position_m, velocity_mps, yaw_rad, pitch_rad, roll_rad, pitch_rate_radps,
    roll_rate_radps. Rows whose ground is NaN keep their height and attitude.
    """
    known = np.asarray(np.isfinite(ground_m).all(axis=1))
    ground = np.where(known[:, None], ground_m, state["position_m"][:, 2:3])
    front, rear = ground[:, :2].mean(axis=1), ground[:, 2:].mean(axis=1)
    wheelbase = axle_m[:, 0] - axle_m[:, 1]
    pitch = np.arctan2(front - rear, wheelbase)
    drop = ground[:, [0, 2]].mean(axis=1) - ground[:, [1, 3]].mean(axis=1)
    roll = np.where(half_track_m > 0.0, np.arctan2(drop, np.maximum(2.0 * half_track_m, 0.2)), 0.0)
    height = rear - axle_m[:, 1] * (front - rear) / wheelbase
    cos, sin = np.cos(state["yaw_rad"]), np.sin(state["yaw_rad"])
    velocity = state["velocity_mps"]
    forward = cos * velocity[:, 0] + sin * velocity[:, 1]
    still = np.zeros(len(state))
    climb = _follow(
        state["position_m"][:, 2], velocity[:, 2], height, forward * np.tan(pitch), step_s
    )
    climb = np.maximum(climb, velocity[:, 2] - GRAVITY_MPS2 * step_s)
    climb = np.where(known, climb, 0.0)
    pitch_rate = _follow(state["pitch_rad"], state["pitch_rate_radps"], pitch, still, step_s)
    roll_rate = _follow(state["roll_rad"], state["roll_rate_radps"], roll, still, step_s)
    velocity[:, 2] = climb
    state["position_m"][:, 2] += step_s * climb
    state["pitch_rate_radps"] = pitch_rate
    state["pitch_rad"] += step_s * pitch_rate
    state["roll_rate_radps"] = roll_rate
    state["roll_rad"] += step_s * roll_rate
    state["ground_gap_m"] = state["position_m"][:, 2] - height
