"""Driving although each control takes effect a few ticks after it was decided.

The car goes on moving while a control is on its way. A controller that tracks the plan from where
the car is now therefore always steers for a place that it has left. Here the ego is moved forward
by the delay through the bicycle model, with the controls that are under way already, and the plan
is tracked from there (a Smith predictor with the bicycle as its model).
"""

from __future__ import annotations

from collections import deque

import numpy as np

from planner.bicycle import BicycleConstants, predict
from planner.frames import ego_from_world, world_from_ego, wrap_angle_rad
from planner.records import Control, EgoState, FloatArray, Plan
from planner.route import Polyline

LONGEST_DELAY_TICKS = 40
TICK_S = 0.05
HELD = Control(steer=0.0, throttle=0.0, brake=1.0)
# The filter's fit hardly accelerates (0.56 m/s2 at full throttle) and is corrected in every tick;
# here nothing is. These are the rough figures that the expert drives CARLA's cars by.
RESPONSE = BicycleConstants(throttle_mps2=4.0, brake_mps2=-8.0)


class ControlQueue:
    """Controls that were sent: which of them acts now, and where they will have brought the car.

    Attributes:
        delay_ticks: from the decision to the effect; may change while driving.
    """

    def __init__(self, delay_ticks: int = 0, constants: BicycleConstants = RESPONSE) -> None:
        self.delay_ticks = delay_ticks
        self._constants = constants
        length = LONGEST_DELAY_TICKS + 1
        self._sent: deque[Control] = deque([HELD] * length, maxlen=length)

    @property
    def acting(self) -> Control:
        """What has acted on the car since the last tick."""
        return self._sent[-1 - self.delay_ticks]

    def send(self, control: Control) -> None:
        """Take note of the control of this tick."""
        self._sent.append(control)

    def ahead(self, ego: EgoState) -> EgoState:
        """The ego when the control of this tick will begin to act."""
        if self.delay_ticks == 0:
            return ego
        state = np.array([*ego.position_world_m, ego.yaw_rad, ego.speed_mps])
        for control in list(self._sent)[-self.delay_ticks :]:
            state = predict(state, control, TICK_S, self._constants)
        return EgoState(state[:2], wrap_angle_rad(float(state[2])), float(state[3]))


def plan_ahead(plan: Plan, ego: EgoState, ahead: EgoState, delay_s: float) -> Plan:
    """The rest of a plan, seen by the ego `delay_s` later.

    Args:
        plan: of the ego now; finite.
        ego: where the plan begins.
        ahead: where the car will be.
        delay_s: when; the waypoints are read that much later, and drawn out where they end.
    """
    moved_m = ego_from_world(ahead.position_world_m, ego)[0]
    line = Polyline(np.vstack([np.zeros(2), plan.route_ego_m]))
    passed_m = line.project(moved_m).s_m
    route = line.points_m[line.s_m > passed_m]
    route = route if len(route) else line.points_m[-1:]
    waypoints = _later(plan.waypoints_ego_m, plan.waypoint_interval_s, delay_s)
    return Plan(
        route_ego_m=ego_from_world(world_from_ego(route, ego), ahead),
        waypoints_ego_m=ego_from_world(world_from_ego(waypoints, ego), ahead),
        waypoint_interval_s=plan.waypoint_interval_s,
    )


def _later(waypoints_m: FloatArray, interval_s: float, delay_s: float) -> FloatArray:
    """(W, 2) waypoints as many intervals after `delay_s` as they were after now."""
    points = np.vstack([np.zeros(2), waypoints_m])
    last_step_m = points[-1] - points[-2]
    extra = int(np.ceil(delay_s / interval_s)) + 1
    beyond = points[-1] + last_step_m * np.arange(1, extra + 1)[:, None]
    points = np.vstack([points, beyond])
    index = np.arange(1, len(waypoints_m) + 1) + delay_s / interval_s
    whole = np.arange(len(points))
    return np.stack([np.interp(index, whole, points[:, axis]) for axis in (0, 1)], axis=-1)
