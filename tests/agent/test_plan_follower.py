"""Plans to controls, late ones included."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent.plan_follower import PlanFollower
from planner.controller import ControllerSettings
from planner.records import EgoState, Plan

EGO = EgoState(np.zeros(2), 0.0, 5.0)
SETTINGS = ControllerSettings(start_brake_ticks=0)
GOOD = Plan(
    np.stack([np.arange(1.0, 21.0), np.zeros(20)], axis=-1),
    np.stack([np.arange(1.0, 11.0), np.zeros(10)], axis=-1),
)


@pytest.mark.parametrize("delay", [0, 4])
@pytest.mark.parametrize(
    ("plan", "ego"),
    [
        (None, EGO),
        (Plan(np.full((3, 2), math.nan), GOOD.waypoints_ego_m), EGO),
        (Plan(GOOD.route_ego_m, np.empty((0, 2))), EGO),
        (Plan(GOOD.route_ego_m, GOOD.waypoints_ego_m, math.nan), EGO),
        (GOOD, EgoState(np.zeros(2), 0.0, math.nan)),
    ],
)
def test_what_makes_no_sense_is_a_safe_stop(delay: int, plan: Plan | None, ego: EgoState) -> None:
    follower = PlanFollower(SETTINGS, delay)
    control = follower.step(plan, ego)
    assert (control.throttle, control.brake) == (0.0, 1.0)
    assert sum(follower.warnings.values()) > 0


def test_the_measured_delay_is_a_median_in_whole_ticks() -> None:
    follower = PlanFollower(SETTINGS, measures_delay=True)
    for took_ms in (5000.0, 60.0, 70.0, 80.0):
        follower.note_latency(took_ms)
    assert follower.delay_ticks == 2
    fixed = PlanFollower(SETTINGS, 3)
    fixed.note_latency(400.0)
    assert fixed.delay_ticks == 3
