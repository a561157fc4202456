"""Kinematic properties of the motion model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.bicycle import BicycleConstants, predict, slip_angle_rad
from planner.records import Control

CONSTANTS = BicycleConstants()
TICK_S = 0.05


def test_straight_drive() -> None:
    state = np.array([1.0, 2.0, math.pi / 2, 10.0])
    moved = predict(state, Control(0.0, 1.0, 0.0), TICK_S, CONSTANTS)
    assert moved == pytest.approx([1.0, 2.5, math.pi / 2, 10.0 + 0.5633837 * TICK_S])


def test_steering_right_turns_clockwise() -> None:
    moved = predict(np.array([0.0, 0.0, 0.0, 5.0]), Control(0.5, 0.0, 0.0), TICK_S, CONSTANTS)
    assert moved[1] > 0.0
    assert moved[2] > 0.0


@given(st.floats(0.0, 40.0), st.floats(0.0, 1.0))
def test_braking_slows_down_to_a_stand_and_no_further(speed_mps: float, brake: float) -> None:
    moved = predict(np.array([0.0, 0.0, 0.0, speed_mps]), Control(0, 1, brake), 1.0, CONSTANTS)
    expected = max(0.0, speed_mps - 4.952399 * brake) if brake > 0.0 else speed_mps + 0.5633837
    assert moved[3] == pytest.approx(expected)


def test_states_are_advanced_side_by_side() -> None:
    states = np.random.default_rng(0).normal(size=(7, 4))
    control = Control(-0.3, 0.4, 0.0)
    together = predict(states, control, TICK_S, CONSTANTS)
    one_by_one = [predict(state, control, TICK_S, CONSTANTS) for state in states]
    assert np.allclose(together, one_by_one)


@pytest.mark.parametrize("steer", [-1.0, -0.3, 0.1, 0.6])
def test_constant_steer_drives_a_circle(steer: float) -> None:
    slip_rad = slip_angle_rad(steer, CONSTANTS)
    radius_m = CONSTANTS.rear_length_m / math.sin(slip_rad)
    state = np.array([0.0, 0.0, -slip_rad, 4.0])
    track = []
    for _ in range(200):
        state = predict(state, Control(steer, 0.0, 0.0), TICK_S, CONSTANTS)
        track.append(state[:2])
    distances_m = np.linalg.norm(np.array(track) - [0.0, radius_m], axis=1)
    assert np.allclose(distances_m, abs(radius_m), rtol=2e-3)
