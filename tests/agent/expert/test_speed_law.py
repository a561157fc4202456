"""The expert's speed laws as tables, and what they do over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.expert.speed_law import (
    SpeedSettings,
    brake_in_time_mps,
    cruise_acceleration_mps2,
    curve_speed_mps,
    follow_acceleration_mps2,
    limit_rise,
    stop_acceleration_mps2,
    stops_for_yellow,
)

LAW = SpeedSettings()
DT_S = 0.05
speeds = st.floats(0.0, 20.0)


@pytest.mark.parametrize(
    ("radius_m", "speed_mps"),
    [(1e9, LAW.max_speed_mps), (50.0, 10.49), (-50.0, 10.49), (10.0, 4.69), (1.0, 2.5)],
)
def test_curve_speed(radius_m: float, speed_mps: float) -> None:
    assert curve_speed_mps(np.array([1.0 / radius_m]), LAW)[0] == pytest.approx(speed_mps, abs=0.01)


def test_a_profile_brakes_in_time_and_only_then() -> None:
    profile = brake_in_time_mps(np.array([10.0] * 40 + [4.0] * 5 + [10.0] * 5), 1.0, 2.0)
    assert profile[40] == 4.0
    assert profile[39] == pytest.approx(np.sqrt(16.0 + 4.0))
    assert profile[0] == 10.0
    assert profile[-1] == 10.0
    assert np.all(np.diff(profile[:41] ** 2) >= -4.0 - 1e-9)


@pytest.mark.parametrize(
    ("speed", "desired", "trend", "low", "high"),
    [
        (0.0, 10.0, 0.0, LAW.max_acceleration_mps2, LAW.max_acceleration_mps2),
        (10.0, 10.0, 0.0, 0.0, 0.0),
        (10.0, 10.0, -1.5, -1.5, -1.5),
        (10.0, 10.0, 1.5, 0.0, 0.0),
        (12.0, 10.0, 0.0, -3.6, -2.0),
    ],
)
def test_cruise(speed: float, desired: float, trend: float, low: float, high: float) -> None:
    assert low <= cruise_acceleration_mps2(speed, desired, LAW, trend) <= high


@pytest.mark.parametrize(
    ("speed", "gap", "lead", "low", "high"),
    [
        (10.0, 200.0, 10.0, 2.0, 3.0),  # far: free
        (10.0, 14.0, 10.0, -0.1, 0.1),  # at the headway: keep
        (10.0, 5.0, 10.0, -7.0, -3.0),  # too near: brake
        (10.0, 25.0, 0.0, -7.0, -1.5),  # a standing car ahead
        (0.0, 4.0, 0.0, -0.1, 0.1),  # stands behind a standing car
        (10.0, 0.0, 0.0, -7.0, -7.0),
        (0.0, 30.0, -5.0, 1.0, 3.0),  # oncoming counts as standing
    ],
)
def test_follow(speed: float, gap: float, lead: float, low: float, high: float) -> None:
    assert low <= follow_acceleration_mps2(speed, gap, lead, LAW) <= high


@given(speed=speeds, gap=st.floats(-5.0, 200.0), lead=st.floats(-20.0, 20.0))
def test_following_is_bounded_and_falls_with_the_gap(speed: float, gap: float, lead: float) -> None:
    near = follow_acceleration_mps2(speed, gap, lead, LAW)
    far = follow_acceleration_mps2(speed, gap + 5.0, lead, LAW)
    assert -LAW.max_deceleration_mps2 <= near <= far <= LAW.max_acceleration_mps2


@given(speed=st.floats(0.5, 15.0), spare=st.floats(1.2, 4.0))
def test_a_stop_ends_before_the_line_and_is_comfortable(speed: float, spare: float) -> None:
    room = spare * speed**2 / (2.0 * LAW.stop_deceleration_mps2) + 1.0
    place, worst = 0.0, 0.0
    for _ in range(4000):
        wanted = stop_acceleration_mps2(speed, room - place, LAW)
        worst = min(worst, wanted if speed > 0.3 else 0.0)
        speed = max(0.0, speed + min(wanted, 2.0) * DT_S)
        place += speed * DT_S
        if speed == 0.0 and room - place < 1.0:
            break
    assert speed == 0.0
    assert 0.0 <= room - place < 0.6
    assert worst > -2.6


@pytest.mark.parametrize(("distance", "low", "high"), [(0.2, -2.0, -1.5), (-1.0, -4.0, -2.5)])
def test_at_the_line_the_brake_stays_on(distance: float, low: float, high: float) -> None:
    assert low <= stop_acceleration_mps2(0.0, distance, LAW) <= high


@pytest.mark.parametrize(
    ("speed", "distance", "stops"),
    [(10.0, 30.0, True), (10.0, 10.0, False), (10.0, -1.0, False), (0.0, 1.0, True)],
)
def test_yellow(speed: float, distance: float, stops: bool) -> None:
    assert stops_for_yellow(speed, distance, LAW) is stops


@pytest.mark.parametrize(
    ("wanted", "last", "speed", "result"),
    [
        (2.0, 0.0, 5.0, 0.4),  # rises by jerk x time
        (2.0, -1.8, 0.0, 0.4),  # from rest the brake is let go at once
        (2.0, -1.8, 5.0, -1.4),
        (-6.0, 2.0, 5.0, -6.0),  # braking begins at once
    ],
)
def test_jerk(wanted: float, last: float, speed: float, result: float) -> None:
    assert limit_rise(wanted, last, speed, DT_S, LAW) == pytest.approx(result)
