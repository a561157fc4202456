"""The expert's path, steering and pedals, closed over simple cars."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.expert.lane_path import LanePath, build_path
from agent.expert.pedals import Pedals
from agent.expert.perturbation import Hesitation, SteerPerturbation
from agent.expert.steering import SteeringSettings, steer_to_path
from planner.records import Control, EgoState

DT_S = 0.05
REAR_M = 1.42


def bend(radius_m: float = 12.0, turn_rad: float = math.pi / 2) -> LanePath:
    """Thirty metres straight, an arc to the right (radius > 0), thirty metres straight."""
    straight = np.stack([np.arange(30.0), np.zeros(30)], axis=1)
    angles = np.linspace(0.0, turn_rad, int(abs(radius_m) * turn_rad) + 1)
    arc = np.stack(
        [30.0 + abs(radius_m) * np.sin(angles), radius_m * (1.0 - np.cos(angles))], axis=1
    )
    out = np.array([math.cos(turn_rad), math.copysign(math.sin(turn_rad), radius_m)])
    return build_path(
        np.concatenate((straight, arc, arc[-1] + out * np.arange(1.0, 40.0)[:, None]))
    )


def test_a_path_is_evenly_spaced_and_knows_its_curvature() -> None:
    path = bend()
    steps = np.linalg.norm(np.diff(path.points_world_m, axis=0), axis=1)
    assert np.all(np.abs(steps - 0.5) < 0.02)
    middle = path.index(30.0 + 12.0 * math.pi / 4)
    assert path.curvature_per_m[middle] == pytest.approx(1.0 / 12.0, rel=0.05)
    assert path.yaw_rad[-1] == pytest.approx(math.pi / 2, abs=0.02)
    np.testing.assert_allclose(path.points_world_m[0], [0.0, 0.0], atol=1e-6)


@given(place=st.floats(1.0, 80.0), side=st.floats(-3.0, 3.0))
def test_locating_is_the_inverse_of_placing(place: float, side: float) -> None:
    path = bend(30.0)
    yaw = float(np.interp(place, 0.5 * np.arange(len(path.yaw_rad)), path.yaw_rad))
    position = path.point_world_m(place) + side * np.array([-math.sin(yaw), math.cos(yaw)])
    along, lateral = path.locate(position)
    assert along == pytest.approx(place, abs=0.3)
    assert lateral == pytest.approx(side, abs=0.05)


def test_beyond_its_end_a_path_goes_straight_on() -> None:
    path = build_path(np.array([[0.0, 0.0], [10.0, 0.0]]))
    np.testing.assert_allclose(path.point_world_m(np.array([12.0, -3.0])), [[12, 0], [-3, 0]])


@pytest.mark.parametrize("points", [[[0.0, 0.0]], [[1.0, 1.0]] * 3, [[0.0, 0.0], [np.nan, 1.0]]])
def test_points_that_make_no_path(points: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"path needs two different|not finite"):
        build_path(np.array(points))


def test_many_tiny_steps_are_a_path_too() -> None:
    points = np.stack([np.linspace(0.0, 10.0, 1001), np.zeros(1001)], axis=1)
    assert build_path(points).length_m == pytest.approx(10.0)


@pytest.mark.parametrize("radius_m", [12.0, -12.0, 7.0])
@pytest.mark.parametrize("gain", [0.2777, 0.33])
def test_steering_keeps_a_car_on_the_path(radius_m: float, gain: float) -> None:
    """A car whose curvature per steer is the expected one, or a fifth larger."""
    path, settings = bend(radius_m), SteeringSettings()
    position, yaw, rate, speed, distance = np.array([0.0, 0.4]), 0.0, 0.0, 4.0, 0.0
    errors = []
    while distance < path.length_m - 10.0:
        steer = steer_to_path(path, distance, EgoState(position, yaw, speed), rate, settings)
        curvature = gain * steer
        slip = math.asin(max(-0.9, min(0.9, REAR_M * curvature)))
        rate = speed * curvature
        direction = yaw + slip
        position = position + speed * DT_S * np.array([math.cos(direction), math.sin(direction)])
        yaw += rate * DT_S
        distance, lateral = path.locate(position, distance)
        errors.append(abs(lateral))
    assert np.mean(errors[100:]) < 0.1
    assert np.max(errors[100:]) < 0.3


@pytest.mark.parametrize("strength", [0.7, 1.0, 1.5])
def test_pedals_reach_the_wanted_acceleration_on_any_car(strength: float) -> None:
    pedals, speed = Pedals(), 0.0
    for _ in range(100):
        throttle, brake = pedals.step(speed, 1.5, DT_S)
        assert throttle == 0.0 or brake == 0.0
        speed = max(0.0, speed + (strength * 4.5 * throttle - 7.0 * brake - 0.2) * DT_S)
    assert speed == pytest.approx(7.5, rel=0.15)
    for _ in range(160):
        throttle, brake = pedals.step(speed, -2.0, DT_S)
        speed = max(0.0, speed + (strength * 4.5 * throttle - 7.0 * brake - 0.2) * DT_S)
    assert speed < 0.1
    assert pedals.step(0.0, -1.0, DT_S) == (0.0, 0.6)


@given(speed=st.floats(-1.0, 30.0), wanted=st.floats(-8.0, 4.0))
def test_pedals_are_bounded_and_exclusive(speed: float, wanted: float) -> None:
    throttle, brake = Pedals().step(speed, wanted, DT_S)
    assert 0.0 <= throttle <= 1.0
    assert 0.0 <= brake <= 1.0
    assert min(throttle, brake) == 0.0


def test_perturbations_are_rare_small_and_short() -> None:
    control = Control(0.1, 0.5, 0.0)
    off = SteerPerturbation(0.0, np.random.default_rng(0))
    assert off.apply(control, DT_S) is control
    disturbed = SteerPerturbation(6.0, np.random.default_rng(0))
    steers = np.array([disturbed.apply(control, DT_S).steer for _ in range(24000)])
    changed = np.abs(steers - 0.1) > 1e-9
    assert 0.02 < changed.mean() < 0.1
    assert np.abs(steers - 0.1).max() <= 0.06 + 1e-9


def test_hesitations_brake_now_and_then_and_say_so() -> None:
    control = Control(0.1, 0.5, 0.0)
    off = Hesitation(0.0, np.random.default_rng(0))
    assert off.apply(control, DT_S) is control
    assert not off.active
    hesitation = Hesitation(3.0, np.random.default_rng(0))
    controls, active = [], []
    for _ in range(24000):
        controls.append(hesitation.apply(control, DT_S))
        active.append(hesitation.active)
    assert 0.03 < np.mean(active) < 0.1
    for changed, braking in zip(controls, active, strict=True):
        assert changed.steer == control.steer
        assert (changed.throttle == 0.0 and changed.brake > 0.1) if braking else changed is control
    braked = [hesitation.apply(Control(0.0, 0.0, 1.0), DT_S).brake for _ in range(2400)]
    assert min(braked) == 1.0
