"""A controller that knows that its controls come late."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.bicycle import predict
from planner.controller import Controller, ControllerSettings
from planner.delay import RESPONSE, TICK_S, ControlQueue, plan_ahead
from planner.frames import ego_from_world
from planner.records import Control, EgoState, Plan

EGO = EgoState(np.array([10.0, -4.0]), 0.7, 8.0)
STRAIGHT = Plan(
    np.stack([np.arange(1.0, 21.0), np.zeros(20)], axis=-1),
    np.stack([2.0 * np.arange(1.0, 11.0), np.zeros(10)], axis=-1),
)


def test_without_delay_nothing_is_predicted() -> None:
    queue = ControlQueue(0)
    queue.send(Control(0.1, 0.5, 0.0))
    assert queue.acting == Control(0.1, 0.5, 0.0)
    assert queue.ahead(EGO) is EGO


def test_the_controls_under_way_are_those_that_were_sent() -> None:
    queue = ControlQueue(2)
    sent = [Control(0.1 * k, 0.5, 0.0) for k in range(5)]
    for control in sent:
        queue.send(control)
    assert queue.acting == sent[2]
    state = np.array([10.0, -4.0, 0.7, 8.0])
    for control in sent[3:]:
        state = predict(state, control, TICK_S, RESPONSE)
    ahead = queue.ahead(EGO)
    np.testing.assert_allclose(
        [*ahead.position_world_m, ahead.yaw_rad, ahead.speed_mps], state, atol=1e-12
    )


def test_a_plan_is_seen_from_where_the_car_will_be() -> None:
    heading = np.array([math.cos(0.7), math.sin(0.7)])
    ahead = EgoState(EGO.position_world_m + 1.6 * heading, 0.7, 8.0)
    seen = plan_ahead(STRAIGHT, EGO, ahead, 0.2)
    np.testing.assert_allclose(seen.route_ego_m[:, 0], np.arange(2.0, 21.0) - 1.6, atol=1e-9)
    # At 8 m/s, 1.6 m are 0.2 s: the waypoints are as far ahead as before.
    np.testing.assert_allclose(seen.waypoints_ego_m, STRAIGHT.waypoints_ego_m, atol=1e-9)


@pytest.mark.parametrize("gone_m", [0.0, 19.5, 20.0, 500.0])
def test_there_is_always_a_plan(gone_m: float) -> None:
    heading = np.array([math.cos(0.7), math.sin(0.7)])
    ahead = EgoState(EGO.position_world_m + gone_m * heading, 0.7, 8.0)
    seen = plan_ahead(STRAIGHT, EGO, ahead, 2.0)
    assert seen.route_ego_m.shape[0] >= 1
    assert seen.waypoints_ego_m.shape == (10, 2)
    assert np.isfinite(seen.route_ego_m).all()


def lateral_error_m(delay: int, compensated: bool) -> float:
    """95th percentile of the distance from a slalom, driven at 8 m/s with late controls."""
    x_m = np.arange(0.0, 200.0, 1.0)
    slalom = np.stack([x_m, 2.0 * np.sin(x_m / 8.0)], axis=-1)
    controller = Controller(ControllerSettings(start_brake_ticks=0))
    queue = ControlQueue(delay if compensated else 0)
    waiting = [Control(0.0, 0.0, 0.0)] * delay
    state = np.array([0.0, 0.0, 0.25, 8.0])
    errors: list[float] = []
    while state[0] < 150.0 and len(errors) < 600:
        ego = EgoState(state[:2], float(state[2]), 8.0)
        nearest = int(np.argmin(np.linalg.norm(slalom - ego.position_world_m, axis=1)))
        errors.append(float(np.linalg.norm(slalom[nearest] - ego.position_world_m)))
        ahead_m = ego_from_world(slalom[nearest + 1 : nearest + 21], ego)
        plan = Plan(ahead_m, 2.0 * ahead_m[::2])
        future = queue.ahead(ego)
        seen = plan_ahead(plan, ego, future, delay * TICK_S) if compensated and delay else plan
        control = controller.step(seen, 8.0)
        queue.send(control)
        waiting.append(control)
        state = predict(state, waiting.pop(0), TICK_S, RESPONSE)
        state[3] = 8.0
    return float(np.percentile(errors, 95))


def test_a_late_controller_that_knows_it_drives_nearly_as_well() -> None:
    clean = lateral_error_m(0, compensated=False)
    assert lateral_error_m(10, compensated=True) < 1.2 * clean
    assert lateral_error_m(10, compensated=False) > 5.0 * clean
