"""Look-ahead, the point steered at, and steer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.lateral import LateralController, LateralSettings, lookahead_m, point_along_route

GAINS = LateralSettings().gains
STRAIGHT = np.stack([np.arange(20.0), np.zeros(20)], axis=1)


@pytest.mark.parametrize(
    ("speed_mps", "expected_m"),
    [
        (0.0, 2.4),
        (6.0, 2.4),
        (10.0, 0.1 * (0.9755321901954155 * 36.0 + 1.9152884533402488)),
        (40.0, 10.5),
    ],
)
def test_lookahead(speed_mps: float, expected_m: float) -> None:
    assert lookahead_m(speed_mps, LateralSettings()) == pytest.approx(expected_m)


@pytest.mark.parametrize("distance_m", [0.0, 0.4, 3.7, 19.0])
def test_point_on_a_straight_route(distance_m: float) -> None:
    assert point_along_route(STRAIGHT, distance_m) == pytest.approx([distance_m, 0.0])


def test_point_beyond_the_end_is_the_end() -> None:
    assert point_along_route(STRAIGHT, 400.0) == pytest.approx([19.0, 0.0])


def test_the_way_to_the_first_point_counts() -> None:
    assert point_along_route(STRAIGHT[5:], 4.0) == pytest.approx([4.0, 0.0])


def test_repeated_points_and_a_route_at_the_ego() -> None:
    repeated = np.repeat(STRAIGHT, 3, axis=0)
    assert point_along_route(repeated, 3.3) == pytest.approx([3.3, 0.0])
    assert point_along_route(np.zeros((20, 2)), 3.0) == pytest.approx([0.0, 0.0])
    assert np.isfinite(point_along_route(np.full((2, 2), [0.0, 1e-160]).cumsum(0), 2.4)).all()


def test_many_tiny_steps_are_a_way_too() -> None:
    fine = np.stack([np.arange(0.0, 4.0, 5e-4), np.zeros(8000)], axis=1)
    assert point_along_route(fine, 3.3) == pytest.approx([3.3, 0.0])


@pytest.mark.parametrize("angle_deg", [-20.0, -5.0, 0.0, 5.0, 20.0])
def test_first_steer_is_proportional_to_the_angle(angle_deg: float) -> None:
    angle_rad = math.radians(angle_deg)
    route = np.arange(1.0, 21.0)[:, None] * [math.cos(angle_rad), math.sin(angle_rad)]
    expected = (GAINS.proportional + GAINS.integral) * angle_deg / 90.0
    assert LateralController().step(route, 5.0) == pytest.approx(expected)


def test_change_of_the_error_is_damped() -> None:
    controller = LateralController()
    controller.step(STRAIGHT, 5.0)
    angle_rad = math.radians(9.0)
    route = np.arange(1.0, 21.0)[:, None] * [math.cos(angle_rad), math.sin(angle_rad)]
    expected = 0.1 * (GAINS.proportional + GAINS.integral / 2 + GAINS.derivative)
    assert controller.step(route, 5.0) == pytest.approx(expected)


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=20),
    st.floats(-10, 60),
)
def test_steer_is_bounded_and_finite(points: list[tuple[float, float]], speed_mps: float) -> None:
    steer = LateralController().step(np.array(points), speed_mps)
    assert -1.0 <= steer <= 1.0
