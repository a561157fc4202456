"""One route driven by the learned agent: observe, locate, plan, control.

Everything that a route needs is built here and dropped at its end, because a leaderboard process
drives many routes one after another.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.agent_contract import GpsPlan, WorldPlan, plan_arrays
from agent.history import History
from agent.observation import AgentStep, Observation, Observer
from agent.plan_follower import PlanFollower
from agent.plan_source import PlanSource, PolicyUnavailableError
from agent.reading_guard import TICK_S, gnss_limits
from agent.settings import AgentSettings
from model.config import FRAME_INTERVAL_S
from planner.controller import ControllerSettings
from planner.creep import CreepSettings
from planner.geodesy import GeoReference, GnssLocator
from planner.records import EgoState, Plan, Target
from planner.route import RouteAhead, RoutePlanner
from planner.state_filter import StateFilter

F64 = NDArray[np.float64]

logger = logging.getLogger(__name__)

FRAME_TICKS = round(FRAME_INTERVAL_S / TICK_S)
# More than a network reads, because the stretch begins beside the car or behind it.
ROUTE_MARGIN_M = 10.0


class DrivingLoop:
    """Drives one route.

    Args:
        gps_plan: the thinned plan in degrees.
        world_plan: the same points in world metres.
        dense_plan: the whole plan in world metres, a point per metre or so.
        policy: the model; owned by the caller.
        settings: of the agent.

    Raises:
        ValueError: a plan without points, or one whose two halves do not belong together.
    """

    def __init__(
        self,
        gps_plan: GpsPlan,
        world_plan: WorldPlan,
        dense_plan: WorldPlan,
        policy: PlanSource,
        settings: AgentSettings,
    ) -> None:
        points, _, commands = plan_arrays(world_plan)
        gps = np.array([(place["lat"], place["lon"]) for place, _ in gps_plan], dtype=np.float64)
        self._policy = policy
        reference = GeoReference.solve(gps, points[:, :2])
        limits = gnss_limits(gps, reference.latitude_deg)
        self._observer = Observer(policy.cameras, settings.observer, limits)
        self._locator = GnssLocator(reference, points[0, :2])
        self._filter = StateFilter()
        self._route = RoutePlanner(points[:, :2], commands)
        self._route_ahead = RouteAhead(plan_arrays(dense_plan)[0][:, :2])
        self._images = History(policy.config.hist_len, FRAME_TICKS)
        self._speeds = History(policy.config.speed_history, FRAME_TICKS)
        creep = CreepSettings(
            patience_ticks=settings.creep_after_ticks, push_ticks=settings.creep_push_ticks
        )
        self._follower = PlanFollower(
            ControllerSettings(start_brake_ticks=settings.start_brake_ticks, creep=creep),
            settings.delay_ticks,
            settings.delay_measured,
        )
        self._faults: Counter[str] = Counter()

    def step(self, input_data: Mapping[str, Any], timestamp_s: float) -> AgentStep:
        """Drive one tick; bad input ends in a safe stop, not in an exception."""
        marks = [time.perf_counter()]
        observation = self._observer.observe(
            input_data, timestamp_s, self._follower.acting.throttle
        )
        marks.append(time.perf_counter())
        ego, targets = self._locate(observation)
        marks.append(time.perf_counter())
        plan, model_ms, fault = self._plan(observation, ego, targets)
        marks.append(time.perf_counter())
        control = self._follower.step(plan, ego)
        marks.append(time.perf_counter())
        self._follower.note_latency(1e3 * (marks[-1] - marks[0]))
        spans = [1e3 * (after - before) for before, after in itertools.pairwise(marks)]
        stages = dict(zip(("observe", "locate", "plan", "control"), spans, strict=True))
        notes = {"fault": fault} if fault else {}
        return AgentStep(
            frame=observation.frame,
            timestamp_s=timestamp_s,
            images=observation.images,
            ego=ego,
            targets=targets,
            plan=plan,
            control=control,
            stage_ms={**stages, **model_ms},
            notes=notes,
            terms=self._follower.terms,
            warnings=dict(self.warnings()),
        )

    def warnings(self) -> Counter[str]:
        """How often each fault has been met so far, over all parts."""
        parts = (self._observer, self._locator, self._filter, self._follower)
        return sum((part.warnings for part in parts), start=Counter(self._faults))

    def _locate(self, observation: Observation) -> tuple[EgoState, tuple[Target, ...]]:
        yaw_rad, speed_mps, dt_s = observation.yaw_rad, observation.speed_mps, observation.dt_s
        position = self._locator.step(*observation.gps_deg, yaw_rad, speed_mps, dt_s)
        ego = self._filter.step(position, yaw_rad, speed_mps, self._follower.acting, dt_s)
        return ego, self._route.advance(ego)

    def _plan(
        self, observation: Observation, ego: EgoState, targets: Sequence[Target]
    ) -> tuple[Plan | None, Mapping[str, float], str]:
        """A plan and what its stages took, or None and why there is none."""
        known = np.isfinite([*ego.position_world_m, ego.yaw_rad, ego.speed_mps]).all()
        fault = observation.fault or ("" if known else "no state estimate yet")
        if fault:
            if not self._faults:
                logger.warning("safe stop at %.2f s: %s", observation.timestamp_s, fault)
            self._faults["tick without a plan"] += 1
            self._images.clear()
            self._speeds.clear()
            return None, {}, fault
        try:
            planned = self._policy.plan(
                self._images.add(observation.images),
                self._speeds.add(np.array(ego.speed_mps)),
                ego,
                targets,
                self._route_ahead.advance(ego, self._policy.config.route_points + ROUTE_MARGIN_M),
            )
        except PolicyUnavailableError as error:
            if not self._faults["plan not to be had"]:
                logger.warning("safe stop at %.2f s: %s", observation.timestamp_s, error)
            self._faults["plan not to be had"] += 1
            return None, {}, str(error)
        return planned.plan, planned.stage_ms, ""
