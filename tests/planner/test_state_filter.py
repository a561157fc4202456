"""Accuracy, consistency and robustness of the state filter on simulated drives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.bicycle import BicycleConstants, predict
from planner.frames import wrap_angle_rad
from planner.records import Control, EgoState
from planner.state_filter import StateFilter
from tests.examples import examples

TICK_S = 0.05
GNSS_NOISE_M = 0.55
FITTED = BicycleConstants(throttle_mps2=3.0)
# Other lengths, steering and brakes than those the filter assumes.
OTHER_CAR = BicycleConstants(0.3, 1.6, 0.5, -8.0, 3.0)


@dataclass(frozen=True)
class Drive:
    """What was true and what was estimated, one row per tick."""

    truth: np.ndarray
    estimate: np.ndarray
    normalised_error: np.ndarray

    def error_m(self) -> np.ndarray:
        distances_m: np.ndarray = np.hypot(*(self.estimate[:, :2] - self.truth[:, :2]).T)
        return distances_m


def control_at(tick: int, speed_mps: float) -> Control:
    """Stand, drive off to 8 m/s, then turn left and right, sharply at times, and stop."""
    if tick < 40 or tick > 640:
        return Control(0.0, 0.0, 1.0)
    time_s = (tick - 40) * TICK_S
    steer = 0.15 * math.sin(0.6 * time_s) + (0.25 if 14.0 < time_s < 17.0 else 0.0)
    return Control(steer, 1.0 if speed_mps < 8.0 else 0.0, 0.0)


@cache
def simulate(car: BicycleConstants, seed: int, ticks: int = 700) -> Drive:
    rng = np.random.default_rng(seed)
    state_filter = StateFilter()
    truth = np.array([100.0, -50.0, 3.0, 0.0])
    control = Control(0.0, 0.0, 1.0)
    rows: list[tuple[np.ndarray, list[float], float]] = []
    for tick in range(ticks):
        truth = predict(truth, control, TICK_S, car)
        fix_m = truth[:2] + rng.normal(0.0, GNSS_NOISE_M, 2)
        yaw_rad = wrap_angle_rad(truth[2])
        found = state_filter.step(fix_m, yaw_rad, float(truth[3]), control, TICK_S)
        gap_m = found.position_world_m - truth[:2]
        covariance = state_filter.covariance[:2, :2]
        estimate = [*found.position_world_m, found.yaw_rad, found.speed_mps]
        rows.append((truth.copy(), estimate, float(gap_m @ np.linalg.solve(covariance, gap_m))))
        control = control_at(tick, float(truth[3]))
    return Drive(*(np.array(column) for column in zip(*rows, strict=True)))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("car", [FITTED, OTHER_CAR])
def test_error_stays_below_a_quarter_metre(car: BicycleConstants, seed: int) -> None:
    drive = simulate(car, seed)
    error_m = drive.error_m()[40:]
    assert np.sqrt(np.mean(error_m**2)) < 0.2
    assert error_m.max() < 0.6
    yaw_error = [
        wrap_angle_rad(a - b) for a, b in zip(drive.estimate[:, 2], drive.truth[:, 2], strict=True)
    ]
    assert np.max(np.abs(yaw_error)) < 0.02
    assert np.abs(drive.estimate[80:, 3] - drive.truth[80:, 3]).max() < 0.15


@pytest.mark.parametrize("car", [FITTED, OTHER_CAR])
def test_no_lag_along_or_across_the_way(car: BicycleConstants) -> None:
    drives = [simulate(car, seed) for seed in range(4)]
    gaps_ego = []
    for drive in drives:
        gap_m = (drive.estimate - drive.truth)[100:, :2]
        cosine, sine = np.cos(drive.truth[100:, 2]), np.sin(drive.truth[100:, 2])
        gaps_ego.append(
            [
                np.mean(gap_m[:, 0] * cosine + gap_m[:, 1] * sine),
                np.mean(gap_m[:, 1] * cosine - gap_m[:, 0] * sine),
            ]
        )
    along_m, across_m = np.mean(gaps_ego, axis=0)
    assert abs(along_m) < 0.06
    assert abs(across_m) < 0.06


def test_covariance_tells_the_truth() -> None:
    """The normalised squared error of two components is 2 on average if the covariance is right."""
    means = [np.mean(simulate(FITTED, seed).normalised_error[40:]) for seed in range(4)]
    assert 0.7 < float(np.mean(means)) < 3.0


def test_standing_averages_the_noise_away() -> None:
    rng = np.random.default_rng(5)
    ends_m = []
    for _ in range(20):
        state_filter = StateFilter()
        for _ in range(40):
            fix_m = rng.normal(0.0, GNSS_NOISE_M, 2)
            found = state_filter.step(fix_m, 0.0, 0.0, Control(0, 0, 1), TICK_S)
        ends_m.append(np.linalg.norm(found.position_world_m))
    assert np.sqrt(np.mean(np.square(ends_m))) < 0.2


def test_heading_across_the_cut_of_the_circle() -> None:
    state_filter = StateFilter()
    for tick in range(200):
        yaw_rad = wrap_angle_rad(math.pi - 0.02 + (0.04 if tick % 2 else 0.0))
        found = state_filter.step((0.0, 0.0), yaw_rad, 0.0, Control(0, 0, 1), TICK_S)
    assert abs(wrap_angle_rad(found.yaw_rad - math.pi)) < 0.03


def test_missing_measurements_are_bridged_and_counted() -> None:
    state_filter = StateFilter()
    coast = Control(0.0, 0.0, 0.0)
    for tick in range(100):
        state_filter.step((5.0 * TICK_S * tick, 0.0), 0.0, 5.0, coast, TICK_S)
    for _ in range(20):
        found = state_filter.step((math.nan, math.nan), math.nan, math.nan, coast, TICK_S)
    assert found.position_world_m == pytest.approx([5.0 * TICK_S * 119, 0.0], abs=0.15)
    assert found.speed_mps == pytest.approx(5.0, abs=0.05)
    assert state_filter.warnings == {"position missing": 20, "yaw missing": 20, "speed missing": 20}


def test_components_never_measured_are_nan() -> None:
    state_filter = StateFilter()
    found = state_filter.step((math.nan, 0.0), math.nan, 3.0, Control(0, 0, 1), TICK_S)
    assert np.isnan(found.position_world_m).all()
    assert math.isnan(found.yaw_rad)
    assert found.speed_mps == 3.0
    found = state_filter.step((900.0, 80.0), -2.0, 3.0, Control(0, 0, 0), TICK_S)
    assert found.position_world_m == pytest.approx([900.0, 80.0])
    assert found.yaw_rad == pytest.approx(-2.0)


def test_a_single_wild_fix_is_ignored_but_a_new_place_is_accepted() -> None:
    state_filter = StateFilter()
    stand = Control(0.0, 0.0, 1.0)
    for _ in range(40):
        state_filter.step((10.0, 10.0), 0.0, 0.0, stand, TICK_S)
    found = state_filter.step((400.0, 10.0), 0.0, 0.0, stand, TICK_S)
    assert found.position_world_m == pytest.approx([10.0, 10.0], abs=1e-6)
    assert state_filter.warnings["position rejected"] == 1
    for _ in range(10):
        found = state_filter.step((400.0, 10.0), 0.0, 0.0, stand, TICK_S)
    assert found.position_world_m == pytest.approx([400.0, 10.0], abs=1e-6)
    assert state_filter.warnings["position started afresh"] == 1


readings = st.floats(allow_nan=True, allow_infinity=True, width=32)


@examples(40)
@given(st.lists(st.tuples(readings, readings, st.floats(-1, 1)), min_size=1, max_size=20))
def test_whatever_is_measured_the_covariance_stays_positive(
    rows: list[tuple[float, float, float]],
) -> None:
    state_filter = StateFilter()
    found: EgoState | None = None
    for yaw_rad, x_m, steer in rows:
        found = state_filter.step((x_m, 0.0), yaw_rad, 10.0, Control(steer, 1.0, 0.0), TICK_S)
    assert found is not None
    assert np.linalg.eigvalsh(state_filter.covariance).min() > 0.0
    assert math.isnan(found.yaw_rad) or -math.pi < found.yaw_rad <= math.pi


@pytest.mark.parametrize("dt_s", [math.nan, math.inf, -1.0, 0.0])
@pytest.mark.parametrize("measured", [1.0, math.nan, 1e300, -math.inf])
def test_neither_time_nor_measurements_poison_the_state(dt_s: float, measured: float) -> None:
    estimator = StateFilter()
    for _ in range(5):
        estimator.step([10.0, 5.0], 0.1, 3.0, Control(0.0, 0.2, 0.0), 0.05)
    for _ in range(20):
        state = estimator.step([measured, 5.0], 0.1, measured, Control(0.0, 0.2, 0.0), dt_s)
    state = estimator.step([10.0, 5.0], 0.1, 3.0, Control(0.0, 0.2, 0.0), 0.05)
    assert np.isfinite([*state.position_world_m, state.yaw_rad, state.speed_mps]).all()
    assert np.isfinite(estimator.covariance).all()
    assert estimator.warnings["time step unusable"] == 20
