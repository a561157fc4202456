"""The expert's decision of one tick: where along the path, how fast, and the control for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.expert.conflict import ConflictSettings, EgoBody, Lead, Yield, find_conflicts
from agent.expert.lane_path import SPACING_M, LanePath
from agent.expert.pedals import Pedals
from agent.expert.privileged_world import WorldView
from agent.expert.road_users import Forecast, RoadUsers
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
from agent.expert.steering import SteeringSettings, steer_to_path
from agent.expert.stop_lines import StopPlace, StopSigns
from planner.records import Control

F64 = NDArray[np.float64]
Forecaster = Callable[[RoadUsers, F64], Forecast]

HORIZON_S = 4.0
FORECAST_STEP_S = 0.25
GREEN, YELLOW = "Green", "Yellow"
STOP_LINE_ROOM_M = 1.5
"""Room between the front bumper and the place where the junction begins."""
ANSWER_S = 0.2
"""Time that the car takes to answer the pedals."""
TREND_M = 3.0
"""Distance over which the change of the speed profile is looked at."""
YIELD_MEMORY_S = 0.5
"""How long a conflict is remembered after its last sight, so that the pedals do not chatter."""


@dataclass(frozen=True)
class DriverSettings:
    """Settings of all the laws that the expert drives by."""

    speed: SpeedSettings = field(default_factory=SpeedSettings)
    steering: SteeringSettings = field(default_factory=SteeringSettings)
    conflict: ConflictSettings = field(default_factory=ConflictSettings)
    body: EgoBody = field(default_factory=EgoBody)


@dataclass(frozen=True)
class Decision:
    """What the expert does in one tick, and why.

    `distance_m` and `lateral_m` locate the ego on the path (right positive); `reason` names the law
    that set the speed: cruise, light, stop_sign, lead or yield; `light` is the state of the next
    light within reach, or "None".
    """

    control: Control
    distance_m: float
    lateral_m: float
    target_speed_mps: float
    limit_mps: float
    acceleration_mps2: float
    reason: str
    light: str
    lead: Lead | None
    yielding_to: Yield | None


class ExpertDriver:
    """Drives one path; `light_state(id)` names the state of a traffic light."""

    def __init__(
        self,
        path: LanePath,
        lights: list[StopPlace],
        signs: list[StopPlace],
        forecaster: Forecaster,
        light_state: Callable[[int], str],
        settings: DriverSettings | None = None,
    ) -> None:
        self.path = path
        self.settings = settings or DriverSettings()
        self._lights = lights
        self._stop_signs = StopSigns(signs)
        self._forecaster = forecaster
        self._light_state = light_state
        self._pedals = Pedals()
        self._curve_mps = curve_speed_mps(path.curvature_per_m, self.settings.speed)
        self._profile_mps = self._curve_mps
        self._profile_limit_mps = math.nan
        self._distance_m: float | None = None
        self._wanted_mps2 = 0.0
        self._yield: Yield | None = None
        self._yield_until_s = -math.inf

    def step(self, view: WorldView, limit_mps: float, dt_s: float) -> Decision:
        """Decide for one tick; `limit_mps` is the posted speed limit."""
        ego, speed = view.ego, self.settings.speed
        distance_m, lateral_m = self.path.locate(ego.position_world_m, self._distance_m)
        self._distance_m = distance_m
        self._update_profile(limit_mps)
        target_mps, trend_mps2 = self._speed_ahead(distance_m, ego.speed_mps)
        front_m = self.settings.body.front_m

        wishes = {"cruise": cruise_acceleration_mps2(ego.speed_mps, target_mps, speed, trend_mps2)}
        light, light_room_m = self._light_ahead(distance_m, ego.speed_mps)
        if light_room_m is not None:
            wishes["light"] = stop_acceleration_mps2(ego.speed_mps, light_room_m, speed)
        sign_room_m = self._stop_signs.stop_distance_m(distance_m, ego.speed_mps, dt_s, front_m)
        if sign_room_m is not None:
            wishes["stop_sign"] = stop_acceleration_mps2(ego.speed_mps, sign_room_m, speed)
        lead, give_way = self._conflicts(view, distance_m)
        if lead is not None:
            wishes["lead"] = follow_acceleration_mps2(
                ego.speed_mps, lead.gap_m, lead.speed_mps, speed
            )
        if give_way is not None:
            wishes["yield"] = stop_acceleration_mps2(ego.speed_mps, give_way.distance_m, speed)

        reason = min(wishes, key=lambda name: wishes[name])
        wanted = self._wanted_mps2 = limit_rise(
            wishes[reason], self._wanted_mps2, ego.speed_mps, dt_s, speed
        )
        throttle, brake = self._pedals.step(ego.speed_mps, wanted, dt_s)
        steer = steer_to_path(
            self.path, distance_m, ego, view.yaw_rate_radps, self.settings.steering
        )
        return Decision(
            control=Control(steer=steer, throttle=throttle, brake=brake),
            distance_m=distance_m,
            lateral_m=lateral_m,
            target_speed_mps=target_mps if reason == "cruise" else max(0.0, ego.speed_mps + wanted),
            limit_mps=limit_mps,
            acceleration_mps2=wanted,
            reason=reason,
            light=light,
            lead=lead,
            yielding_to=give_way,
        )

    def route_ahead_world_m(self, distance_m: float, count: int, spacing_m: float = 1.0) -> F64:
        """(count, 2) points of the path from a distance on."""
        return self.path.point_world_m(distance_m + spacing_m * np.arange(count, dtype=np.float64))

    def rollout_m(self, distance_m: float, speed_mps: float, times_s: F64, wanted: float) -> F64:
        """Distances along the path at times (t,): the profile's speed, reached with `wanted`."""
        distances = np.empty(len(times_s))
        place, pace, now = distance_m, max(speed_mps, 0.0), 0.0
        for index, time_s in enumerate(times_s):
            step_s = float(time_s) - now
            allowed = self._speed_at(place + pace * step_s)
            ahead = min(max(pace + wanted * step_s, 0.0), max(allowed, pace - 3.0 * step_s))
            place += 0.5 * (pace + ahead) * step_s
            pace, now = ahead, float(time_s)
            distances[index] = place
        return distances

    def _update_profile(self, limit_mps: float) -> None:
        if limit_mps == self._profile_limit_mps:
            return
        speed = self.settings.speed
        cap = min(limit_mps * speed.limit_factor, speed.max_speed_mps)
        self._profile_mps = brake_in_time_mps(
            np.minimum(self._curve_mps, cap), SPACING_M, 0.7 * speed.comfort_deceleration_mps2
        )
        self._profile_limit_mps = limit_mps

    def _speed_ahead(self, distance_m: float, speed_mps: float) -> tuple[float, float]:
        """Speed of the profile where the car will be in a moment, and its change per second."""
        near_m = distance_m + ANSWER_S * max(speed_mps, 0.0)
        here, later = self._speed_at(near_m), self._speed_at(near_m + TREND_M)
        return here, (later**2 - here**2) / (2.0 * TREND_M)

    def _speed_at(self, distance_m: float) -> float:
        return float(self._profile_mps[self.path.index(distance_m)])

    def _light_ahead(self, distance_m: float, speed_mps: float) -> tuple[str, float | None]:
        """State of the next light within reach, and the room to its line if it is to be obeyed."""
        front_m = distance_m + self.settings.body.front_m
        for place in self._lights:
            room_m = place.distance_m - STOP_LINE_ROOM_M - front_m
            if place.distance_m < front_m - 1.0:
                continue  # the front is in the junction: clear it
            if room_m > 60.0:
                break
            state = self._light_state(place.actor_id)
            if state == GREEN:
                return state, None
            if state == YELLOW and not stops_for_yellow(
                speed_mps, room_m + STOP_LINE_ROOM_M, self.settings.speed
            ):
                return state, None
            return state, room_m
        return "None", None

    def _conflicts(self, view: WorldView, distance_m: float) -> tuple[Lead | None, Yield | None]:
        times_s = np.arange(0.0, HORIZON_S + 1e-6, FORECAST_STEP_S)
        if len(view.others) == 0:
            return None, None
        gap = np.linalg.norm(view.others.centres_world_m - view.ego.position_world_m, axis=1)
        others = view.others.select(gap < 80.0)
        own_m = self.rollout_m(
            distance_m, view.ego.speed_mps, times_s, self.settings.speed.max_acceleration_mps2
        )
        leads, yields = find_conflicts(
            self.path,
            distance_m,
            own_m,
            others,
            self._forecaster(others, times_s),
            self.settings.body,
            self.settings.conflict,
        )
        speed, pace = self.settings.speed, view.ego.speed_mps
        lead = min(
            leads,
            key=lambda one: follow_acceleration_mps2(pace, one.gap_m, one.speed_mps, speed),
            default=None,
        )
        return lead, self._choose_yield(yields, view)

    def _choose_yield(self, yields: list[Yield], view: WorldView) -> Yield | None:
        """The nearest conflict that can still be avoided by stopping; remembered for a moment."""
        pace = view.ego.speed_mps
        possible = [
            one
            for one in yields
            if one.distance_m > -0.5
            and pace**2 / (2.0 * max(one.distance_m, 0.1))
            < self.settings.speed.max_deceleration_mps2
        ]
        nearest = min(possible, key=lambda one: one.distance_m, default=None)
        if nearest is not None:
            self._yield = nearest
            self._yield_until_s = view.timestamp_s + YIELD_MEMORY_S
            return nearest
        if view.timestamp_s < self._yield_until_s and self._yield is not None and pace < 1.0:
            return Yield(self._yield.actor_id, self._yield.kind, 0.0, 0.0)
        return None
