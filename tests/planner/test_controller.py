"""Safety of the controller for any plan, and closed loops with the bicycle model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from planner.bicycle import BicycleConstants, predict
from planner.controller import Controller, ControllerSettings
from planner.creep import CreepSettings
from planner.frames import ego_from_world
from planner.records import Control, EgoState, Plan
from planner.route import Polyline
from tests.examples import examples

TICK_S = 0.05
AT_ONCE = ControllerSettings(start_brake_ticks=0)
STRAIGHT = np.stack([np.arange(20.0), np.zeros(20)], axis=1)
CAR = BicycleConstants(throttle_mps2=3.0)

anything = st.floats(allow_nan=True, allow_infinity=True)
sane = st.floats(-60.0, 60.0)


def arrays(elements: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(0, 22), st.just(2))
    return hnp.arrays(np.float64, shapes, elements=elements)


odd_shapes = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
)
points = arrays(anything) | arrays(sane) | odd_shapes
plans = st.builds(Plan, points, points, st.just(0.25) | anything)


def straight_plan(speed_mps: float, angle_rad: float = 0.0) -> Plan:
    direction = np.array([math.cos(angle_rad), math.sin(angle_rad)])
    route = np.arange(20.0)[:, None] * direction
    waypoints = speed_mps * 0.25 * np.arange(1.0, 11.0)[:, None] * direction
    return Plan(route, waypoints)


def assert_safe(control: Control) -> None:
    assert -1.0 <= control.steer <= 1.0
    assert 0.0 <= control.throttle <= 1.0
    assert 0.0 <= control.brake <= 1.0
    assert control.throttle == 0.0 or control.brake == 0.0


@examples(150)
@given(st.lists(st.tuples(plans, anything | sane), min_size=1, max_size=6), st.integers(0, 3))
@example([(Plan(np.full((20, 2), 1e308), np.full((10, 2), -1e308)), 1e308)], 0)
@example([(Plan(np.empty((0, 2)), np.empty((0, 2))), 0.0)], 0)
@example([(Plan(np.full((20, 2), 5e-324), np.full((10, 2), 5e-324), 5e-324), 0.0)], 0)
def test_control_is_bounded_and_never_both_for_any_plan(
    steps: list[tuple[Plan, float]], patience_ticks: int
) -> None:
    creep = CreepSettings(patience_ticks=patience_ticks, push_ticks=2)
    controller = Controller(ControllerSettings(start_brake_ticks=1, creep=creep))
    for plan, speed_mps in steps:
        assert_safe(controller.step(plan, speed_mps))


@pytest.mark.parametrize(
    ("plan", "speed_mps", "warning"),
    [
        (Plan(STRAIGHT * np.nan, STRAIGHT), 5.0, "route unusable"),
        (Plan(STRAIGHT, STRAIGHT + np.inf), 5.0, "waypoints unusable"),
        (Plan(STRAIGHT * 1e6, STRAIGHT), 5.0, "route unusable"),
        (Plan(np.empty((0, 2)), STRAIGHT), 5.0, "route unusable"),
        (Plan(STRAIGHT, np.zeros((10, 3))), 5.0, "waypoints unusable"),
        (Plan(STRAIGHT, STRAIGHT, 0.0), 5.0, "waypoint interval unusable"),
        (Plan(STRAIGHT, STRAIGHT, math.nan), 5.0, "waypoint interval unusable"),
        (Plan(STRAIGHT, STRAIGHT), math.nan, "speed unusable"),
    ],
)
def test_bad_input_stops_the_car_and_is_counted(plan: Plan, speed_mps: float, warning: str) -> None:
    controller = Controller(AT_ONCE)
    assert controller.step(plan, speed_mps) == Control(0.0, 0.0, 1.0)
    assert controller.warnings == {warning: 1}


def test_last_steer_fades_while_the_route_is_missing() -> None:
    controller = Controller(AT_ONCE)
    steer = controller.step(straight_plan(5.0, 0.2), 5.0).steer
    assert steer > 0.1
    broken = Plan(STRAIGHT * np.nan, STRAIGHT)
    faded = [controller.step(broken, 5.0).steer for _ in range(20)]
    assert faded[:2] == pytest.approx([0.8 * steer, 0.64 * steer])
    assert faded[-1] < 0.02


def test_the_car_is_held_for_the_first_forty_ticks() -> None:
    controller = Controller()
    controls = [controller.step(straight_plan(8.0), 0.0) for _ in range(41)]
    assert all(control.brake == 1.0 and control.throttle == 0.0 for control in controls[:40])
    assert controls[40].throttle == 1.0


def test_standing_too_long_ends_in_a_push_but_not_without_a_plan() -> None:
    creep = CreepSettings(patience_ticks=20, push_ticks=4)
    stay = straight_plan(0.0)
    controller = Controller(ControllerSettings(start_brake_ticks=0, creep=creep))
    controls = [controller.step(stay, 0.0) for _ in range(24)]
    assert [tick for tick, control in enumerate(controls) if control.throttle] == [19, 20, 21, 22]
    blind = Controller(ControllerSettings(start_brake_ticks=0, creep=creep))
    broken = Plan(stay.route_ego_m, stay.waypoints_ego_m * np.nan)
    assert all(blind.step(broken, 0.0).brake == 1.0 for _ in range(60))


def s_curve() -> Polyline:
    """40 m straight, a right bend and a left bend of 25 m radius, 40 m straight."""
    steps_m = 0.5
    curvature = np.concatenate(
        [np.zeros(80), np.full(60, 1 / 25), np.full(60, -1 / 25), np.zeros(80)]
    )
    heading = np.cumsum(curvature * steps_m)
    points = np.cumsum(steps_m * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
    return Polyline(np.vstack([np.zeros(2), points]))


def perfect_plan(line: Polyline, ego: EgoState, s_m: float, speeds_mps: np.ndarray) -> Plan:
    """Route at 1 m spacing, and waypoints that are driven at these speeds, one per interval."""
    route = line.point_at(s_m + np.arange(20.0))
    waypoints = line.point_at(s_m + np.cumsum(0.25 * speeds_mps))
    return Plan(ego_from_world(route, ego), ego_from_world(waypoints, ego))


def test_follows_an_s_curve_at_eight_metres_per_second() -> None:
    line, controller = s_curve(), Controller(AT_ONCE)
    state, s_m = np.array([0.0, 0.0, 0.0, 8.0]), 0.0
    errors_m, speeds_mps = [], []
    while s_m < line.length_m - 20.0:
        ego = EgoState(state[:2], float(state[2]), float(state[3]))
        plan = perfect_plan(line, ego, s_m, np.full(10, 8.0))
        control = controller.step(plan, ego.speed_mps)
        assert_safe(control)
        state = predict(state, control, TICK_S, CAR)
        place = line.project(state[:2], s_m)
        s_m = place.s_m
        errors_m.append(place.distance_m)
        speeds_mps.append(state[3])
    assert np.percentile(errors_m, 95) < 0.4
    assert 7.2 < min(speeds_mps) <= max(speeds_mps) < 8.8


def test_comes_back_from_a_lateral_offset() -> None:
    line, controller = Polyline([[0.0, 0.0], [400.0, 0.0]]), Controller(AT_ONCE)
    state, errors_m = np.array([0.0, 1.5, 0.0, 8.0]), []
    for _ in range(160):
        ego = EgoState(state[:2], float(state[2]), float(state[3]))
        plan = perfect_plan(line, ego, float(state[0]), np.full(10, 8.0))
        state = predict(state, controller.step(plan, 8.0), TICK_S, CAR)
        errors_m.append(abs(float(state[1])))
    assert max(errors_m[100:]) < 0.15


@pytest.mark.parametrize("speed_mps", [4.0, 8.0, 12.0])
def test_stops_where_the_plan_stops(speed_mps: float) -> None:
    """Waypoints slow down at 2.5 m/s2 towards a stop line 60 m ahead."""
    line, stop_m = Polyline([[0.0, 0.0], [200.0, 0.0]]), 60.0
    controller, state = Controller(AT_ONCE), np.array([0.0, 0.0, 0.0, speed_mps])
    for _ in range(400):  # 20 s, too short to be pushed on
        ego = EgoState(state[:2], float(state[2]), float(state[3]))
        s_m = ahead_m = float(state[0])
        profile_mps = []
        for _ in range(10):
            left_m = max(stop_m - ahead_m, 0.0)
            profile_mps.append(min(speed_mps, math.sqrt(2.0 * 2.5 * left_m), left_m / 0.25))
            ahead_m += 0.25 * profile_mps[-1]
        plan = perfect_plan(line, ego, s_m, np.array(profile_mps))
        state = predict(state, controller.step(plan, ego.speed_mps), TICK_S, CAR)
    assert state[3] == 0.0
    assert abs(state[0] - stop_m) < 1.0


def test_the_terms_add_up_to_the_control_and_tell_what_was_clipped_or_held() -> None:
    controller = Controller(ControllerSettings(start_brake_ticks=1))
    controller.step(straight_plan(8.0), 0.0)
    assert controller.terms is not None
    assert controller.terms.halted == "start"
    control = controller.step(straight_plan(8.0, 0.1), 5.0)
    terms = controller.terms
    assert terms is not None
    assert terms.steer is not None
    assert terms.throttle is not None
    assert control.steer == terms.steer.output
    assert terms.desired_mps == pytest.approx(8.0)
    assert terms.throttle.error == 1.0
    assert terms.clipped == ("speed error", "throttle")
    controller.step(Plan(STRAIGHT * np.nan, STRAIGHT), 5.0)
    assert controller.terms is not None
    assert controller.terms.throttle is None
    assert controller.terms.halted == "no usable plan or speed"
