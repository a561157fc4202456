"""One route driven by the expert: the world, the driver and, where asked for, the recording."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.expert.correction import disagreement_m, waypoints_back_ego_m
from agent.expert.decision import ActorFacts, Decision, DriverSettings, RoutePlaces
from agent.expert.driver import ExpertDriver
from agent.expert.frame_record import ROUTE_POINTS, Corrected, boxes, measurement
from agent.expert.junction_ways import junction_ways
from agent.expert.lane_forecast import LaneForecaster, LaneKey
from agent.expert.lane_room import room_at
from agent.expert.perturbation import Hesitation, SteerPerturbation
from agent.expert.privileged_world import PrivilegedWorld, WorldView
from agent.expert.recording import (
    Recorder,
    RecordingSettings,
    RouteRecord,
    TickState,
    route_directory,
    write_results,
)
from agent.expert.route_to_path import plan_path
from agent.expert.speed_law import SpeedSettings, brisk
from agent.expert.stop_lines import LightLanes, light_lanes, places_of_lights, places_of_signs
from agent.observation import AgentStep
from agent.plan_follower import PlanFollower
from agent.rig import load_rig
from agent.settings import ExpertSettings
from model.config import FRAME_INTERVAL_S
from planner.controller import ControllerSettings
from planner.frames import ego_from_world
from planner.records import Command, EgoState, Plan, Target
from planner.route import RoutePlanner

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

logger = logging.getLogger(__name__)

DEFAULT_DT_S = 0.05
DEFAULT_LIMIT_MPS = 30.0 / 3.6
PLAN_POINTS = 20
WAYPOINTS = 10


class ExpertLoop:
    """Plans the path and drives it tick by tick.

    Args:
        world: a connection that has seen a tick; owned by the caller.
        dense_plan: positions (n, 3) and yaws (n,) of the route.
        sparse_plan: positions (m, 2) and commands of the thinned route, for target points.
        settings: of the expert.
        rng: for the recording's shifts, disturbances and noise.
    """

    def __init__(
        self,
        world: PrivilegedWorld,
        dense_plan: tuple[F64, F64],
        sparse_plan: tuple[F64, list[Command]],
        settings: ExpertSettings,
        rng: np.random.Generator,
    ) -> None:
        self._settings = settings
        self._rng = rng
        self._world = world
        self._world.find_ego()
        planned = plan_path(*dense_plan, self._world.map)
        self._targets = RoutePlanner(*sparse_plan)
        self._lights = {light.id: light for light in self._world.actors("traffic.traffic_light")}
        lanes = [light_lanes(light, self._world.map) for light in self._lights.values()]
        self._light_of_lane = _lights_by_lane(lanes)
        speed = SpeedSettings(limit_factor=settings.limit_factor)
        self._driver = ExpertDriver(
            planned.path,
            RoutePlaces(
                lights=places_of_lights(lanes, planned.path),
                signs=places_of_signs(self._world.actors("traffic.stop"), planned.path),
                junctions_m=planned.junctions_m,
                lane_changes=planned.lane_changes,
                ways=junction_ways(
                    planned.path,
                    planned.junctions_m,
                    self._world.map,
                    float(np.mean(dense_plan[0][:, 2])),
                ),
            ),
            LaneForecaster(self._world.map, self._is_red),
            ActorFacts(
                light_state=self._light_state,
                room_at=partial(room_at, self._world.map),
                has_handbrake=self._world.has_handbrake,
                is_emergency=self._world.is_emergency,
            ),
            DriverSettings(speed=speed, brisk=brisk(speed)),
        )
        self._perturbation = SteerPerturbation(settings.perturb, rng)
        self._hesitation = Hesitation(settings.hesitate, rng)
        self._follower: PlanFollower | None = None
        if settings.by_plan:
            self._follower = PlanFollower(ControllerSettings(), settings.delay_ticks)
        self._timestamp_s: float | None = None
        self.recording_directory: Path | None = None
        self._recorder = self._start_recording() if settings.record else None

    def step(self, frame: int, images: U8, driven: AgentStep | None = None) -> AgentStep:
        """Drive one tick; `frame` is that of the sensors' data. driven: what another driver does in
        this tick, where one is at the wheel; the expert then only tells what it would do."""
        started = time.perf_counter()
        view = self._world.view(frame)
        seen = time.perf_counter()
        dt_s = DEFAULT_DT_S if self._timestamp_s is None else view.timestamp_s - self._timestamp_s
        self._timestamp_s = view.timestamp_s
        decision = self._driver.step(view, self._limit_mps(), max(dt_s, 1e-3))
        targets = self._targets.advance(self._noisy(view.ego))
        decided = time.perf_counter()
        plan = plan_of(self._driver, decision, view.ego)
        control = decision.control
        if self._follower is not None:
            control = self._follower.step(plan, view.ego)
        if driven is not None:
            control, images = driven.control, driven.images
        control = self._perturbation.apply(control, dt_s)
        control = self._hesitation.apply(control, dt_s)
        if self._recorder is not None:
            self._record(self._recorder, view, decision, targets, plan, driven)
        done = time.perf_counter()
        return AgentStep(
            frame=view.frame,
            timestamp_s=view.timestamp_s,
            images=images,
            ego=view.ego,
            targets=targets,
            plan=plan if driven is None else driven.plan,
            control=control,
            stage_ms={
                "world": 1e3 * (seen - started),
                "decide": 1e3 * (decided - seen),
                "record": 1e3 * (done - decided),
            },
            notes={"law": decision.reason, "light": decision.light},
        )

    def close(self) -> None:
        """End the recording; may be called again."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.write_arrived()
            recorder.close()
            if recorder.ended:
                logger.warning("recording ended early: %s", recorder.ended)
            self._leave_record()

    def _limit_mps(self) -> float:
        ego = self._world.find_ego()
        limit_mps = float(ego.get_speed_limit()) / 3.6
        return limit_mps if math.isfinite(limit_mps) and limit_mps > 1.0 else DEFAULT_LIMIT_MPS

    def _light_state(self, actor_id: int) -> str:
        return str(self._lights[actor_id].get_state())

    def _is_red(self, lane: LaneKey) -> bool:
        light = self._light_of_lane.get(lane)
        return light is not None and self._light_state(light) in ("Red", "Yellow")

    def _noisy(self, ego: EgoState) -> EgoState:
        if self._settings.target_noise_m <= 0.0:
            return ego
        noise = self._rng.normal(0.0, self._settings.target_noise_m, size=2)
        return EgoState(ego.position_world_m + noise, ego.yaw_rad, ego.speed_mps)

    def _start_recording(self) -> Recorder:
        settings = self._settings
        town = settings.town or self._world.map.name.rsplit("/", 1)[-1]
        name = f"{town}_{settings.route or settings.save_name or '0'}"
        self.recording_directory = route_directory(
            Path(settings.record), settings.split, settings.group, settings.scenario, name
        )
        recording = RecordingSettings(
            directory=self.recording_directory,
            cameras=load_rig(settings.rig),
            interval_s=settings.interval_s,
            shift_m=settings.shift_m,
            turn_deg=settings.turn_deg,
            jpeg_quality=settings.jpeg_quality,
        )
        return Recorder(self._world.world, self._world.find_ego(), recording, self._rng)

    def _record(
        self,
        recorder: Recorder,
        view: WorldView,
        decision: Decision,
        targets: tuple[Target, Target],
        plan: Plan,
        driven: AgentStep | None,
    ) -> None:
        path = self._driver.path_ahead_world_m(decision.distance_m, ROUTE_POINTS)
        route = self._driver.route_ahead_world_m(decision.distance_m, ROUTE_POINTS)
        hesitates = self._hesitation.active
        correct = None if driven is None else self._correction(view, decision, plan, driven)
        recorder.note(
            TickState(
                frame=view.frame,
                ego_transform=view.ego_transform,
                measurement=lambda: measurement(
                    view, decision, targets, path, route, hesitates, correct and correct()
                ),
                boxes=lambda: boxes(view.others, view.ego, self._world.body_of),
            )
        )
        recorder.write_arrived()

    def _correction(
        self, view: WorldView, decision: Decision, plan: Plan, driven: AgentStep
    ) -> Callable[[], Corrected]:
        """What gives the labels of this tick; called for those that are written only."""
        path, steering = self._driver.path, self._driver.settings.steering
        times_s = FRAME_INTERVAL_S * np.arange(1, WAYPOINTS + 1, dtype=np.float64)
        pace, wanted = view.ego.speed_mps, decision.acceleration_mps2
        ahead_m = self._driver.rollout_m(decision.distance_m, pace, times_s, wanted)
        along_m = np.concatenate([[decision.distance_m], ahead_m])

        def corrected() -> Corrected:
            back = waypoints_back_ego_m(path, along_m, view.ego, view.yaw_rate_radps, steering)
            return Corrected(back, disagreement_m(replace(plan, waypoints_ego_m=back), driven.plan))

        return corrected

    def _leave_record(self) -> None:
        """A record of the route without scores, unless somebody has written the real one."""
        if self.recording_directory is None:
            return
        settings = self._settings
        town = settings.town or self._world.map.name.rsplit("/", 1)[-1]
        record = RouteRecord(route_id=settings.route or settings.save_name or "0", town=town)
        write_results(self.recording_directory, record)


def plan_of(driver: ExpertDriver, decision: Decision, ego: EgoState) -> Plan:
    """What a perfect network would plan here: where the expert will drive, and how fast."""
    times_s = FRAME_INTERVAL_S * np.arange(1, WAYPOINTS + 1, dtype=np.float64)
    distances_m = driver.rollout_m(
        decision.distance_m, ego.speed_mps, times_s, decision.acceleration_mps2
    )
    route = driver.path_ahead_world_m(decision.distance_m, PLAN_POINTS)
    return Plan(
        route_ego_m=ego_from_world(route, ego),
        waypoints_ego_m=ego_from_world(driver.path.point_world_m(distances_m), ego),
        waypoint_interval_s=FRAME_INTERVAL_S,
    )


def _lights_by_lane(lanes: list[LightLanes]) -> dict[LaneKey, int]:
    return {key: light.actor_id for light in lanes for key in light.lane_keys}
