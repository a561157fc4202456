"""Desired speed, brake rules and throttle."""

from __future__ import annotations

import numpy as np
import pytest

from planner.longitudinal import LongitudinalController, desired_speed_mps


@pytest.mark.parametrize(
    ("x_m", "interval_s", "expected_mps"),
    [
        ([2.0, 4.0, 6.0, 8.0], 0.25, 8.0),
        ([2.0, 4.0, 5.0, 6.0, 6.5, 6.6, 6.6], 0.25, 4.5),  # slowing down: first to fifth
        ([2.0, 3.0, 3.5], 0.25, 3.0),
        ([1.0, 3.0], 0.5, 4.0),
        ([1.5], 0.5, 3.0),
        ([0.0] * 10, 0.25, 0.0),
    ],
)
def test_desired_speed(x_m: list[float], interval_s: float, expected_mps: float) -> None:
    waypoints = np.stack([np.array(x_m), np.zeros(len(x_m))], axis=1)
    assert desired_speed_mps(waypoints, interval_s) == pytest.approx(expected_mps)


def test_desired_speed_as_simlingo_reads_it() -> None:
    waypoints = np.stack([np.array([2.0, 3.0, 3.5, 3.6, 3.6, 3.6]), np.zeros(6)], axis=1)
    assert desired_speed_mps(waypoints, 0.25, first=0, last=2) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("desired_mps", "speed_mps", "throttle", "brake"),
    [
        (0.39, 0.0, 0.0, 1.0),  # below the standing threshold
        (0.41, 0.41, 0.0, 0.0),
        (5.0, 5.51, 0.0, 0.25 * 0.51),  # more than a tenth too fast
        (2.0, 9.0, 0.0, 1.0),
        (5.0, 5.49, 0.0, 0.0),
        (5.0, 4.9, 0.1 * (1.75 + 1.0), 0.0),
        (5.0, 0.0, 1.0, 0.0),
        (0.0, 0.0, 0.0, 1.0),
    ],
)
def test_first_step(desired_mps: float, speed_mps: float, throttle: float, brake: float) -> None:
    found = LongitudinalController().step(desired_mps, speed_mps)
    assert found == pytest.approx((throttle, brake))


def test_second_step_has_mean_and_change() -> None:
    controller = LongitudinalController()
    controller.step(5.0, 4.9)
    throttle, _ = controller.step(5.0, 4.8)
    assert throttle == pytest.approx(1.75 * 0.2 + 1.0 * 0.15 + 2.0 * 0.1)
