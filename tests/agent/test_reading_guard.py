"""Readings that cannot be, or never change, are held off, counted, and end in a safe stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agent.observation import Observation, Observer, ObserverSettings
from agent.reading_guard import FreezeWatch, StepClock, gnss_limits
from tests.agent.sample_inputs import EARTH_RADIUS_M, FRONT, sensor_data

SETTINGS = ObserverSettings(
    jpeg_quality=0, max_stale_ticks=2, max_blind_ticks=3, max_frozen_ticks=5
)
PLAN_DEG = np.degrees([[0.0, 0.0], [0.0, 300.0 / EARTH_RADIUS_M]])
LIMITS = gnss_limits(PLAN_DEG, 0.0)
Change = Callable[[dict[str, Any], int], None]


def put(name: str, value: Any) -> Change:
    def change(data: dict[str, Any], tick: int) -> None:
        data[name] = (data[name][0], value)

    return change


def compass(value_rad: float) -> Change:
    def change(data: dict[str, Any], tick: int) -> None:
        data["imu"][1][-1] = value_rad

    return change


def old(name: str) -> Change:
    def change(data: dict[str, Any], tick: int) -> None:
        data[name] = (3, data[name][1])

    return change


def watch(change: Change, ticks: int, speed_mps: float = 5.0) -> tuple[list[Observation], Observer]:
    """Ten good ticks, and some that are changed."""
    observer = Observer([FRONT], SETTINGS, LIMITS)
    observed = []
    for k in range(1, 11 + ticks):
        data = sensor_data([FRONT], k, x_m=0.05 * k * speed_mps, speed_mps=speed_mps)
        if k > 10:
            change(data, k)
        observed.append(observer.observe(data, 0.05 * k))
    assert not any(one.fault for one in observed[:10])
    return observed[10:], observer


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (put("gnss", np.array([95.0, 0.0, 0.0])), "gnss out of range"),
        (put("gnss", np.array([0.0, 0.1, 0.0])), "gnss out of range"),
        (put("gnss", np.array([1e300, 0.0, 0.0])), "gnss out of range"),
        (put("gnss", np.array([0.01, 0.0, 0.0])), "gnss jumped"),
        (put("gnss", np.array([math.nan, 0.0, 0.0])), "gnss missing or unusable"),
        (put("gnss", [10**400, 0]), "gnss missing or unusable"),
        (compass(1e300), "compass out of range"),
        (compass(1.5 * math.pi), "compass jumped"),
        (compass(-math.inf), "compass missing or unusable"),
        (put("speed", {"speed": -1e6}), "speed out of range"),
        (put("speed", {"speed": 60.0}), "speed jumped"),
        (put("speed", {"speed": 10**400}), "speed missing or unusable"),
        (old("gnss"), "gnss not of this tick"),
        (old("rgb"), "rgb not of this tick"),
    ],
)
def test_what_cannot_be_is_held_off_and_counted(change: Change, warning: str) -> None:
    observed, observer = watch(change, 5)
    assert observer.warnings[warning] >= 4
    if "rgb" not in warning:
        readings = [*observed[-1].gps_deg, observed[-1].yaw_rad, observed[-1].speed_mps]
        assert any(map(math.isnan, readings))
    assert [bool(one.fault) for one in observed][-1]
    assert not observed[1].fault


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rgb", put("rgb", np.full((32, 64, 4), 7, dtype=np.uint8))),
        ("gnss", put("gnss", np.array([0.0, math.degrees(2.75 / EARTH_RADIUS_M), 0.0]))),
        ("compass", put("imu", np.array([0.0, 0.0, 9.8, 0.0, 0.0, 0.0, math.pi / 2]))),
        ("speed", put("speed", {"speed": 5.0})),
    ],
)
def test_what_never_changes_stops_a_moving_car(name: str, change: Change) -> None:
    observed, observer = watch(change, 12)
    first = [bool(one.fault) for one in observed].index(True)
    assert first == SETTINGS.max_frozen_ticks + 1
    assert observed[-1].fault == f"{name}: frozen"
    assert observer.warnings[f"{name} frozen"] == 12 - first


def test_a_car_at_rest_may_see_the_same_for_long() -> None:
    observer = Observer([FRONT], SETTINGS)
    data = sensor_data([FRONT], 1, speed_mps=0.0)
    data["speed"] = (1, {"speed": 0.0})
    for k in range(1, 60):
        now = {name: (k, value) for name, (_, value) in data.items()}
        assert observer.observe(now, 0.05 * k).fault == ""


def test_frozen_sensors_stay_so_until_they_change() -> None:
    watched = FreezeWatch()
    ticks = [watched.ticks([1.0], moving) for moving in (True, True, True, False, False, True)]
    assert ticks == [0, 1, 2, 2, 2, 3]
    assert watched.ticks([2.0], True) == 0


@pytest.mark.parametrize(("throttle", "stuck"), [(0.5, True), (0.0, False)])
def test_a_speedometer_stuck_at_zero_is_told_by_the_fixes(throttle: float, stuck: bool) -> None:
    observer = Observer([FRONT], SETTINGS)
    for k in range(1, 80):
        data = sensor_data([FRONT], k, x_m=0.25 * k)
        data["speed"] = (k, {"speed": 0.0})
        observed = observer.observe(data, 0.05 * k, throttle)
    assert ("speed: frozen" in observed.fault) == stuck


def test_a_sensor_that_was_moved_is_believed_in_the_end() -> None:
    _, observer = watch(put("speed", {"speed": 40.0}), 0)
    for k in range(11, 60):
        data = sensor_data([FRONT], k, x_m=0.25 * k, speed_mps=40.0)
        last = observer.observe(data, 0.05 * k)
    assert last.speed_mps == pytest.approx(40.0, abs=0.1)
    assert last.fault == ""


@pytest.mark.parametrize(
    ("stamps_s", "steps_s"),
    [
        ((1.0, 1.05, 1.1), (0.05, 0.05, 0.05)),
        ((1.0, math.nan, 1.1), (0.05, 0.05, 0.1)),
        ((1.0, 1.0, 1.1), (0.05, 0.05, 0.1)),
        ((5.0, 1.0, 1.1), (0.05, 0.05, 0.1)),
        ((5.0, 1e300, 5.1, 5.2), (0.05, 0.05, 0.05, 0.1)),
        ((math.inf, -math.inf, 0.0, 0.05), (0.05, 0.05, 0.05, 0.05)),
    ],
)
def test_time_always_goes_on(stamps_s: tuple[float, ...], steps_s: tuple[float, ...]) -> None:
    clock = StepClock()
    assert [clock.step(stamp)[0] for stamp in stamps_s] == pytest.approx(steps_s)


@pytest.mark.parametrize("stamp_s", [math.nan, 0.5, math.inf])
def test_time_that_stands_still_stops_the_car(stamp_s: float) -> None:
    observer = Observer([FRONT], SETTINGS)
    for k in range(1, 11):
        observed = observer.observe(sensor_data([FRONT], k, x_m=0.25 * k), stamp_s)
        assert observed.dt_s == 0.05
    assert "time stamp" in observed.fault
