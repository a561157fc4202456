"""Height, pitch and roll of vehicles from the ground under their wheels.

Under each vehicle the ground is taken as a plane, measured anew after some way. Height, pitch and
roll follow it like critically damped springs solved implicitly, so steps in the measured ground
(kerbs, joints of meshes) do not show as spikes; nothing falls faster than gravity lets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.physics import exact
from evaluation.simulator.physics.vehicle.planar import Floats
from evaluation.simulator.physics.vehicle.spec import GRAVITY_MPS2

GroundHeight = Callable[[Floats, Floats], Floats]
"""Ground height (n,) for points (n, 2) and, of several levels, near these heights (n,)."""

GROUND_FIELDS = (
    ("ground_m", np.float64, (3,)),
    ("ground_slope", np.float64, (2,)),
    ("ground_gap_m", np.float64),
)
"""A point of the ground's plane, its rise along world x and y, and the body's height above it."""

BODY_STIFFNESS_RADPS = 12.0
# Way after which the ground is measured again: in every third tick, and at the latest.
MEASURE_EVERY_M = 1.5
MEASURE_EVERY_TICKS = 3
MEASURE_LATEST_M = 3.5
# Ground that is farther above a vehicle than this does not carry it.
OVERHEAD_M = 2.0
BOTTOMLESS_M = -1e6
LEVEL_SLOPE = 1e-5
# How far above its ground a body may be to be touched by it; higher up it only falls.
CONTACT_GAP_M = 0.3
REST_MPS = 1e-3
REST_M = 1e-4


def measure_ground(
    state: NDArray[Any],
    heading: tuple[Floats, Floats],
    axle_m: Floats,
    half_track_m: Floats,
    ground_height: GroundHeight,
) -> None:
    """Measure the plane under each vehicle from the heights below its four wheels, in place.

    `heading` is sines and cosines (n,) of the yaw angles.

    Where a height is NaN nothing is known of the ground: the plane is set level at the height of
    the vehicle. One with all ground overhead has none below it, and falls.
    """
    position = state["position_m"]
    forward = np.stack(heading[::-1], axis=1)
    right = np.stack((-forward[:, 1], forward[:, 0]), axis=1)
    along = axle_m[:, [0, 0, 1, 1]]
    across = half_track_m[:, None] * np.array([-1.0, 1.0, -1.0, 1.0])
    wheels = position[:, None, :2] + along[:, :, None] * forward[:, None, :]
    wheels += across[:, :, None] * right[:, None, :]
    height = ground_height(wheels.reshape(-1, 2), np.repeat(position[:, 2], 4))
    height = np.asarray(height, dtype=np.float64).reshape(-1, 4)
    lost = ~np.isfinite(height).all(axis=1)
    height[lost] = position[lost, 2:]
    buried = (height > position[:, 2:] + OVERHEAD_M).all(axis=1)
    height[buried] = BOTTOMLESS_M
    front, rear = height[:, :2].mean(axis=1), height[:, 2:].mean(axis=1)
    rise_forward = (front - rear) / (axle_m[:, 0] - axle_m[:, 1])
    rise_right = (height[:, [1, 3]] - height[:, [0, 2]]).mean(axis=1)
    rise_right *= half_track_m > 0.0
    rise_right /= np.maximum(2.0 * half_track_m, 0.2)
    state["ground_m"][:, :2] = position[:, :2]
    state["ground_m"][:, 2] = rear - axle_m[:, 1] * rise_forward
    slope = forward * rise_forward[:, None] + right * rise_right[:, None]
    state["ground_slope"] = np.where(np.abs(slope) < LEVEL_SLOPE, 0.0, slope)


def way_since_measure_m(state: NDArray[Any]) -> Floats:
    """How far (n,) each vehicle is from where its ground was measured; inf: never measured."""
    way = state["position_m"][:, :2] - state["ground_m"][:, :2]
    return exact.length(way[:, 0], way[:, 1])


def step_suspension(state: NDArray[Any], heading: tuple[Floats, Floats], step_s: float) -> None:
    """Advance height, pitch, roll and their rates in place towards the measured plane.

    `heading` is sines and cosines (n,) of the yaw angles. Bodies that have come to rest on level
    ground are marked as settled, however fast they drive.
    """
    slope, velocity = state["ground_slope"], state["velocity_mps"]
    way = state["position_m"][:, :2] - state["ground_m"][:, :2]
    height = state["ground_m"][:, 2] + (slope * way).sum(axis=1)
    sin, cos = heading
    rises = (slope[:, 0] * cos + slope[:, 1] * sin, slope[:, 0] * sin - slope[:, 1] * cos)
    pitch, roll = exact.arctan(np.concatenate(rises)).reshape(2, -1)
    wanted_climb = (slope * velocity[:, :2]).sum(axis=1)
    falling = velocity[:, 2] - GRAVITY_MPS2 * step_s
    climb = _follow(state["position_m"][:, 2], velocity[:, 2], height, wanted_climb, step_s)
    climb = np.maximum(climb, falling)
    falls = state["position_m"][:, 2] - height > CONTACT_GAP_M
    pitch_rate = _follow(state["pitch_rad"], state["pitch_rate_radps"], pitch, 0.0, step_s)
    roll_rate = _follow(state["roll_rad"], state["roll_rate_radps"], roll, 0.0, step_s)
    pitch_rate = np.where(falls, state["pitch_rate_radps"], pitch_rate)
    roll_rate = np.where(falls, state["roll_rate_radps"], roll_rate)
    gap = state["position_m"][:, 2] + step_s * climb - height
    unrest = np.maximum(np.abs(climb - wanted_climb), np.abs(pitch_rate) + np.abs(roll_rate))
    rest = (unrest < REST_MPS) & (np.abs(gap) < REST_M)
    rest &= (slope == 0.0).all(axis=1) | (np.abs(velocity).max(axis=1) < REST_MPS)
    velocity[:, 2] = np.where(rest, 0.0, climb)
    state["pitch_rate_radps"] = np.where(rest, 0.0, pitch_rate)
    state["roll_rate_radps"] = np.where(rest, 0.0, roll_rate)
    state["position_m"][:, 2] = np.where(rest, height, state["position_m"][:, 2] + step_s * climb)
    state["pitch_rad"] = np.where(rest, pitch, state["pitch_rad"] + step_s * pitch_rate)
    state["roll_rad"] = np.where(rest, roll, state["roll_rad"] + step_s * roll_rate)
    state["ground_gap_m"] = np.where(rest, 0.0, gap)
    state["settled"] = rest


def _follow(
    value: Floats, rate: Floats, target: Floats, target_rate: Floats | float, step_s: float
) -> Floats:
    """Return the new rate of a critically damped follower after one implicit step."""
    omega = BODY_STIFFNESS_RADPS
    push = omega * omega * (target - value) + 2.0 * omega * target_rate
    slowing = 1.0 + omega * step_s
    return (rate + step_s * push) / (slowing * slowing)
