"""From plans to controls for a car that answers late: the controller behind a `ControlQueue`."""

from __future__ import annotations

import math
from collections import Counter, deque
from statistics import median

import numpy as np

from planner.controller import Controller, ControllerSettings, ControlTerms
from planner.delay import LONGEST_DELAY_TICKS, TICK_S, ControlQueue, plan_ahead
from planner.records import Control, EgoState, Plan

NO_PLAN = Plan(route_ego_m=np.empty((0, 2)), waypoints_ego_m=np.empty((0, 2)))
"""What the controller answers with a safe stop."""
LATENCY_TICKS = 100
"""A measured delay is the median over so many ticks."""


class PlanFollower:
    """Follows one plan a tick.

    Args:
        settings: of the controller.
        delay_ticks: by which the controls of this agent are known to be late.
        measures_delay: instead, set the delay by what `note_latency` hears.
    """

    def __init__(
        self, settings: ControllerSettings, delay_ticks: int = 0, measures_delay: bool = False
    ) -> None:
        self._controller = Controller(settings)
        self._queue = ControlQueue(delay_ticks)
        self._measures = measures_delay
        self._latencies_ms: deque[float] = deque(maxlen=LATENCY_TICKS)

    @property
    def acting(self) -> Control:
        """What has acted on the car since the last tick."""
        return self._queue.acting

    @property
    def delay_ticks(self) -> int:
        """The delay that is compensated."""
        return self._queue.delay_ticks

    @property
    def warnings(self) -> Counter[str]:
        """How often each kind of bad input was met."""
        return self._controller.warnings

    @property
    def terms(self) -> ControlTerms | None:
        """How the last control came about."""
        return self._controller.terms

    def step(self, plan: Plan | None, ego: EgoState) -> Control:
        """Control of this tick; without a plan a safe stop."""
        known = np.isfinite([*ego.position_world_m, ego.yaw_rad, ego.speed_mps]).all()
        if plan is not None and known and self.delay_ticks and _is_sound(plan):
            ahead = self._queue.ahead(ego)
            plan = plan_ahead(plan, ego, ahead, self.delay_ticks * TICK_S)
            ego = ahead
        control = self._controller.step(plan or NO_PLAN, ego.speed_mps)
        self._queue.send(control)
        return control

    def note_latency(self, took_ms: float) -> None:
        """Hear how long the agent took for a tick; a control is late by whole ticks."""
        if self._measures:
            self._latencies_ms.append(took_ms)
            ticks = math.ceil(median(self._latencies_ms) / (1e3 * TICK_S))
            self._queue.delay_ticks = min(ticks, LONGEST_DELAY_TICKS)


def _is_sound(plan: Plan) -> bool:
    """Whether the plan can be computed with; the controller refuses and counts all others."""
    route, waypoints = np.asarray(plan.route_ego_m), np.asarray(plan.waypoints_ego_m)
    shaped = all(one.ndim == 2 and one.shape[1:] == (2,) and len(one) for one in (route, waypoints))
    timed = plan.waypoint_interval_s > 0.0
    return shaped and timed and bool(np.isfinite(route).all() and np.isfinite(waypoints).all())
