"""The expert's decision of one tick: where along the path, how fast, and the control for it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.expert.conflict import (
    LINE_GAP_M,
    PATIENT_S,
    Lead,
    Patience,
    Yield,
    find_conflicts,
    first_touch_s,
    impatient,
    wait_room_m,
)
from agent.expert.decision import ActorFacts, Decision, DriverSettings, RoutePlaces
from agent.expert.junction_ways import HALF_EXTENT_M
from agent.expert.lane_change import LaneChanges
from agent.expert.lane_entry import AHEAD_M, Entry, Neighbours
from agent.expert.lane_gap import shrunk
from agent.expert.lane_path import SPACING_M, LanePath
from agent.expert.obstacle import ON_LANE_M
from agent.expert.overtaking import Overtaking, WorldFacts
from agent.expert.path_shift import Shift, shift_path
from agent.expert.pedals import Pedals
from agent.expert.privileged_world import WorldView
from agent.expert.queue_start import QueueStarts
from agent.expert.road_users import Forecast, RoadUsers
from agent.expert.speed_law import (
    SpeedSettings,
    brake_in_time_mps,
    braking_way_m,
    cruise_acceleration_mps2,
    curve_speed_mps,
    follow_acceleration_mps2,
    limit_rise,
    stop_acceleration_mps2,
    stops_for_yellow,
)
from agent.expert.standing_room import clear_room_m, standing_room_m
from agent.expert.steering import steer_to_path
from agent.expert.stop_lines import StopSigns
from planner.records import Control

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Forecaster(Protocol):
    """Where others will be; see `LaneForecaster`."""

    def __call__(self, users: RoadUsers, times_s: F64, starts: Mask | None = None) -> Forecast: ...


HORIZON_S = 6.0
FORECAST_STEP_S = 0.125
"""A car at 14 m/s has passed the ego's way in 0.5 s: in coarser steps gaps open and close."""
GREEN, YELLOW = "Green", "Yellow"
ANSWER_S = 0.2
"""Time that the car takes to answer the pedals."""
TREND_M = 3.0
"""Distance over which the change of the speed profile is looked at."""
HALF_OVER_MPS = 1.0
"""Who is slower than this with its tail before the line is not through yet: it waits for green."""
STARTS_BELOW_MPS = 0.3
LATEST_START_S = 0.5
"""A car that is slower is at rest: it need not first stop braking. None starts later than this."""
STANDS_IN_M = 3.0
"""Who stands with its nose this far in another's way stays, rather than drive on before it."""
LIGHT_NEAR_M = 8.0
"""A light belongs to the junction that begins this near its line."""
JUNCTION_NEAR_M = 2.0
"""The ego hurries through a junction from this far before it."""
LOOKED_BACK_M = 10.0
"""Who comes from behind is looked at when a shift is planned, until it begins; a shift that begins
this near ahead is not kept waiting for them by another rule."""
BESIDE_LANE_M = 1.8
"""An ego that begins farther than this beside its path stands beside its lane..."""
ENTERS_AFTER_M = 4.0
"""...and is in it after this way."""
EMERGENCY_FROM_MPS = 2.0
EMERGENCY_WITHIN_S = 2.5
"""Who cannot be given way any more, and will be hit within this time at a speed from this one on,
is braked for all the same, unless that makes it worse."""
WATCHES_QUEUES_BELOW_MPS = 2.5
"""An ego slower than this has not yet begun to cross: it minds queues that are about to move on.
One that is faster would brake for everybody who halts at a stop line."""
STANDING_REACH_M = 10.0
STANDING_MARGIN_M = 0.35
"""Room that is left between the ego, waiting in a junction, and those who drive past it."""
WAYS_MARGIN_M = 0.5
"""The same beside cars in the middle of the lanes that they may take: some run a little wide."""
WAYS_LEAST_M = 0.1
"""Who has stopped a little late, and leaves them this, stays where it is."""
NOSES_BELOW_MPS = 4.0
"""Where the ego can stand is asked when it is slower than this."""
YIELD_MEMORY_S = 0.5
"""How long a conflict is remembered after its last sight, so that the pedals do not chatter."""


class ExpertDriver:
    """Drives one route.

    Attributes:
        path: the line that is driven now: the route's, moved aside where something is passed.
    """

    def __init__(
        self,
        path: LanePath,
        places: RoutePlaces,
        forecaster: Forecaster,
        facts: ActorFacts,
        settings: DriverSettings | None = None,
    ) -> None:
        self.path = path
        self.settings = settings or DriverSettings()
        self._route_path = path
        self._places = places
        self._lit_junctions_m = [
            (enter_m, leave_m)
            for enter_m, leave_m in places.junctions_m
            if any(abs(light.distance_m - enter_m) < LIGHT_NEAR_M for light in places.lights)
        ]
        self._unlit_junctions_m = [
            stretch for stretch in places.junctions_m if stretch not in self._lit_junctions_m
        ]
        self._in_junction = _in_stretches(path, places.junctions_m)
        self._stop_signs = StopSigns(places.signs)
        self._forecaster = forecaster
        self._light_state = facts.light_state
        self._overtaking = Overtaking(
            path,
            WorldFacts(
                room_at=lambda place_m, height_m: facts.room_at(
                    self._changes.path.point_world_m(place_m),
                    self._changes.path.yaw_at_rad(place_m),
                    height_m,
                ),
                has_handbrake=facts.has_handbrake,
                is_emergency=facts.is_emergency,
                red_ahead_m=self._red_ahead_m,
                junctions_m=places.junctions_m,
            ),
            forecaster,
            self.settings.body,
            self.settings.detour,
            self.settings.conflict,
        )
        self._changes = LaneChanges(
            path, places.lane_changes, self.settings.body, self.settings.detour
        )
        self._detours: tuple[Shift, ...] = ()
        self._pedals = Pedals()
        self._profile_mps: list[float] = []
        self._profile_limit_mps = math.nan
        self._distance_m: float | None = None
        self._wanted_mps2 = 0.0
        self._patience = Patience()
        self._queues = QueueStarts()
        self._entered = False
        self._begun_s = math.inf
        self._yield: Yield | None = None
        self._yield_until_s = -math.inf

    def step(self, view: WorldView, limit_mps: float, dt_s: float) -> Decision:
        """Decide for one tick; `limit_mps` is the posted speed limit."""
        ego = view.ego
        distance_m, _ = self._route_path.locate(ego.position_world_m, self._distance_m)
        self._distance_m = distance_m
        self._overtaking.gains.note(view.others, view.timestamp_s)
        self._queues.note(view.others, view.timestamp_s)
        self._change_lanes(view, distance_m)
        self._overtaking.step(view, distance_m, self._top_mps(limit_mps))
        self._update_path(limit_mps)
        _, lateral_m = self.path.locate(ego.position_world_m, distance_m)

        hurries = self._hurries(distance_m)
        speed = self.settings.brisk if hurries else self.settings.speed
        target_mps, trend_mps2 = self._speed_ahead(distance_m, ego.speed_mps)
        waits_m = self._overtaking.wait_at_m
        if self._waits_to_enter(view, distance_m, lateral_m):
            waits_m = distance_m + self.settings.body.front_m
        wishes = {"cruise": cruise_acceleration_mps2(ego.speed_mps, target_mps, speed, trend_mps2)}
        light, light_room_m = self._light_ahead(distance_m, ego.speed_mps)
        lead, give_way = self._conflicts(view, distance_m, speed)
        front_m = distance_m + self.settings.body.front_m
        rooms_m = {
            "light": light_room_m,
            "stop_sign": self._stop_signs.stop_distance_m(
                distance_m, ego.speed_mps, dt_s, self.settings.body.front_m
            ),
            "yield": None if give_way is None else give_way.distance_m,
            "wait": None if waits_m is None else waits_m - front_m,
        }
        for law, room_m in rooms_m.items():
            if room_m is not None:
                wishes[law] = stop_acceleration_mps2(ego.speed_mps, room_m, speed)
        if lead is not None:
            wishes["lead"] = follow_acceleration_mps2(
                ego.speed_mps, lead.gap_m, lead.speed_mps, speed
            )

        reason = min(wishes, key=lambda name: wishes[name])
        wanted = self._wanted_mps2 = limit_rise(
            wishes[reason], self._wanted_mps2, ego.speed_mps, dt_s, speed
        )
        self._patience.step(distance_m, ego.speed_mps, reason == "yield", dt_s)
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
            detours=self._detours,
            waiting_for=self._overtaking.waits_for_kind,
        )

    def path_ahead_world_m(self, distance_m: float, count: int) -> F64:
        """(count, 2) points of the path from a distance on, one metre apart."""
        return self.path.point_world_m(distance_m + np.arange(count, dtype=np.float64))

    def route_ahead_world_m(self, distance_m: float, count: int) -> F64:
        """The same of the route's own path, which leads through what is passed."""
        return self._route_path.point_world_m(distance_m + np.arange(count, dtype=np.float64))

    def rollout_m(self, distance_m: float, speed_mps: float, times_s: F64, wanted: float) -> F64:
        """Distances along the path at times (t,): the profile's speed, reached with `wanted`."""
        distances = np.empty(len(times_s))
        place, pace, now = distance_m, max(speed_mps, 0.0), 0.0
        # Plain numbers: the loop is walked through some fifty times a tick.
        allowed_mps, last = self._profile_mps, len(self._profile_mps) - 1
        for index, time_s in enumerate(times_s.tolist()):
            step_s = time_s - now
            point = round((place + pace * step_s) / SPACING_M)
            allowed = allowed_mps[min(max(point, 0), last)]
            ahead = min(max(pace + wanted * step_s, 0.0), max(allowed, pace - 3.0 * step_s))
            place += 0.5 * (pace + ahead) * step_s
            pace, now = ahead, time_s
            distances[index] = place
        return distances

    def _waits_to_enter(self, view: WorldView, distance_m: float, lateral_m: float) -> bool:
        """Whether an ego that begins beside its lane, parked, waits there for a gap to enter it."""
        self._entered |= abs(lateral_m) < BESIDE_LANE_M
        if self._entered:
            return False
        self._begun_s = min(self._begun_s, view.timestamp_s)
        body, detour = self.settings.body, self.settings.detour
        near = Neighbours.of(
            self.path, distance_m, distance_m + AHEAD_M, view.others, self._overtaking.gains
        )
        wait_s = math.sqrt(2.0 * ENTERS_AFTER_M / detour.acceleration_mps2)
        speed_mps = detour.acceleration_mps2 * wait_s
        entry = Entry(0.0, wait_s, distance_m + ENTERS_AFTER_M, speed_mps)
        beside = near.same_way & (np.abs(near.lateral_m) < ON_LANE_M)
        beside &= np.abs(near.along_m - distance_m) < ENTERS_AFTER_M + 2.0 * body.front_m
        gap = shrunk(detour.gap, view.timestamp_s - self._begun_s)
        nobody = np.zeros(len(view.others), dtype=np.bool_)
        self._entered = not bool(beside.any()) and near.leave_gap(entry, nobody, body, gap)
        return not self._entered

    def _change_lanes(self, view: WorldView, distance_m: float) -> None:
        """Let the route's changes of lanes wait for gaps."""
        if not self._places.lane_changes:
            return
        path, gains = self._changes.path, self._overtaking.gains
        others = Neighbours.of(path, distance_m, distance_m + AHEAD_M, view.others, gains)
        self._changes.step(others, distance_m, view.ego.speed_mps)

    def _update_path(self, limit_mps: float) -> None:
        """Follow the shifts decided on, and the limit, with the path and its speed profile."""
        route = self._changes.path
        moved = self._overtaking.shifts != self._detours or self._overtaking.path is not route
        if moved:
            self._detours = self._overtaking.shifts
            self._overtaking.path = route
            self.path = shift_path(route, self._detours)
        if not moved and limit_mps == self._profile_limit_mps:
            return
        speed, bends = self.settings.speed, self.path.curvature_per_m
        beside = _in_stretches(self.path, [(s.start_m, s.end_m) for s in self._detours])
        curve_mps = np.where(
            self._in_junction | beside,
            curve_speed_mps(bends, self.settings.brisk),
            curve_speed_mps(bends, speed),
        )
        self._profile_mps = brake_in_time_mps(
            np.minimum(curve_mps, self._top_mps(limit_mps)),
            SPACING_M,
            0.7 * speed.comfort_deceleration_mps2,
        ).tolist()
        self._profile_limit_mps = limit_mps

    def _top_mps(self, limit_mps: float) -> float:
        speed = self.settings.speed
        return min(limit_mps * speed.limit_factor, speed.max_speed_mps)

    def _hurries(self, distance_m: float) -> bool:
        """Whether the ego is, or is about to be, where it is in the way of others."""
        front_m, rear_m = distance_m + self.settings.body.front_m, distance_m
        in_junction = any(
            enter_m - JUNCTION_NEAR_M < front_m and rear_m < leave_m
            for enter_m, leave_m in self._places.junctions_m
        )
        beside = any(shift.start_m <= front_m and rear_m <= shift.back_m for shift in self._detours)
        return in_junction or beside

    def _speed_ahead(self, distance_m: float, speed_mps: float) -> tuple[float, float]:
        """Speed of the profile where the car will be in a moment, and its change per second."""
        near_m = distance_m + ANSWER_S * max(speed_mps, 0.0)
        here, later = self._speed_at(near_m), self._speed_at(near_m + TREND_M)
        return here, (later**2 - here**2) / (2.0 * TREND_M)

    def _speed_at(self, distance_m: float) -> float:
        return self._profile_mps[self.path.index(distance_m)]

    def _light_ahead(self, distance_m: float, speed_mps: float) -> tuple[str, float | None]:
        """State of the next light within reach, and the room to its line if it is to be obeyed."""
        front_m = distance_m + self.settings.body.front_m
        rear_m = distance_m - self.settings.body.rear_m
        for place in self._places.lights:
            room_m = place.distance_m - LINE_GAP_M - front_m
            if place.distance_m < front_m - 1.0 and not (
                speed_mps < HALF_OVER_MPS and place.distance_m > rear_m
            ):
                continue  # the front is in the junction: clear it
            if room_m > 60.0:
                break
            state = self._light_state(place.actor_id)
            if state == GREEN:
                return state, None
            if state == YELLOW and not stops_for_yellow(
                speed_mps, room_m + LINE_GAP_M, self.settings.speed
            ):
                return state, None
            return state, room_m
        return "None", None

    def _red_ahead_m(self, distance_m: float) -> float:
        """Way to the next light on the path that is not green; infinite if none is near."""
        for place in self._places.lights:
            way_m = place.distance_m - distance_m
            if way_m > 0.0:
                return math.inf if self._light_state(place.actor_id) == GREEN else way_m
        return math.inf

    def _conflicts(
        self, view: WorldView, distance_m: float, speed: SpeedSettings
    ) -> tuple[Lead | None, Yield | None]:
        times_s = np.arange(0.0, HORIZON_S + 1e-6, FORECAST_STEP_S)
        if len(view.others) == 0:
            return None, None
        gap = np.linalg.norm(view.others.centres_world_m - view.ego.position_world_m, axis=1)
        waits_for = [] if self._overtaking.wait_at_m is None else self._overtaking.passed_ids
        others = view.others.select((gap < 80.0) & ~np.isin(view.others.ids, list(waits_for)))
        own_m = self._hurried_m(distance_m, view.ego.speed_mps, times_s, speed)
        goes = view.timestamp_s >= self._yield_until_s
        starts = None
        if view.ego.speed_mps < WATCHES_QUEUES_BELOW_MPS:
            starts = self._queues.of(others, view.ego.position_world_m)
        ahead = self._forecaster(others, times_s, starts)
        leads, yields = find_conflicts(
            self.path,
            distance_m,
            own_m,
            others,
            ahead,
            self.settings.body,
            impatient(self.settings.conflict, self._patience.waited_s, goes),
            has_looked_back=self._changes.looks_back
            or any(s.start_m <= distance_m + LOOKED_BACK_M for s in self._detours),
        )
        pace = view.ego.speed_mps
        lead = min(
            leads,
            key=lambda one: follow_acceleration_mps2(pace, one.gap_m, one.speed_mps, speed),
            default=None,
        )
        clear_m = -math.inf
        if yields and pace < NOSES_BELOW_MPS:
            clear_m = standing_room_m(
                self.path,
                distance_m,
                STANDING_REACH_M,
                others,
                ahead,
                self.settings.body,
                STANDING_MARGIN_M,
            )
        front_m = distance_m + self.settings.body.front_m
        give_way = self._choose_yield(yields, view, front_m, clear_m)
        if give_way is None and yields and pace > EMERGENCY_FROM_MPS:
            crossing = np.isin(others.ids, [one.actor_id for one in yields])
            give_way = self._emergency(
                yields, others.select(crossing), ahead.select(crossing), distance_m, pace, own_m
            )
        return lead, give_way

    def _emergency(
        self,
        yields: list[Yield],
        others: RoadUsers,
        ahead: Forecast,
        distance_m: float,
        pace_mps: float,
        own_m: F64,
    ) -> Yield | None:
        """The first of those who cannot be given way any more, to be stopped for at once where the
        ego, going on along `own_m` (t,), would hit one of them, and braking makes it no worse."""
        hardest_mps2 = self.settings.speed.max_deceleration_mps2
        way_m = braking_way_m(pace_mps, ahead.times_s, hardest_mps2)
        touch_s, braked_touch_s = (
            first_touch_s(self.path, distance_m, driven_m, others, ahead, self.settings.body)
            for driven_m in (own_m, distance_m + way_m)
        )
        if touch_s > min(braked_touch_s, EMERGENCY_WITHIN_S):
            return None
        soonest = min(yields, key=lambda one: one.time_s)
        return dataclasses.replace(soonest, distance_m=float(way_m[-1]))

    def _hurried_m(
        self, distance_m: float, pace_mps: float, times_s: F64, speed: SpeedSettings
    ) -> F64:
        """Where the ego would be (t,) if it went on as fast as it can: an acceleration that rises
        is as good as the whole one half that time later."""
        wanted = self._wanted_mps2 if pace_mps > STARTS_BELOW_MPS else max(self._wanted_mps2, 0.0)
        rise_mps2 = max(speed.max_acceleration_mps2 - wanted, 0.0)
        late_s = min(0.5 * rise_mps2 / speed.max_jerk_mps3, LATEST_START_S)
        pushed_s = np.maximum(times_s - late_s, 0.0)
        rolled_m = max(pace_mps, 0.0) * (times_s - pushed_s)
        return rolled_m + self.rollout_m(
            distance_m, pace_mps, pushed_s, speed.max_acceleration_mps2
        )

    def _wait_place_m(self, one: Yield, front_m: float, clear_m: float) -> float:
        """Room to where to wait for somebody; see `_choose_yield`."""
        stands_m = clear_m if one.kind == "vehicle" else -math.inf
        room_m = wait_room_m(one.distance_m, front_m, self._lit_junctions_m, stands_m)
        if room_m != one.distance_m:
            return room_m
        if self._patience.waited_s < PATIENT_S:
            room_m = wait_room_m(room_m, front_m, self._unlit_junctions_m)
        inside = any(
            enter_m < front_m + room_m <= leave_m for enter_m, leave_m in self._unlit_junctions_m
        )
        if inside and math.isfinite(clear_m):
            room_m = min(room_m, max(clear_m, 0.0))
        if inside and one.kind == "vehicle":
            room_m = min(room_m, self._off_the_ways_m(front_m))
        return room_m

    def _off_the_ways_m(self, front_m: float) -> float:
        """How far the ego can go on without standing where cars of other roads may drive; infinite
        if it does so already. There it would be turned into, and all would wait for each other."""
        body = self.settings.body
        for ways in self._places.ways:
            if not ways.enter_m - STANDING_REACH_M < front_m < ways.leave_m:
                continue
            room_m, stands_m = (
                clear_room_m(
                    self.path,
                    front_m - body.front_m,
                    STANDING_REACH_M,
                    ways.centres_world_m,
                    ways.yaws_rad,
                    np.tile(np.add(HALF_EXTENT_M, margin_m), (len(ways.yaws_rad), 1)),
                    body,
                )
                for margin_m in (WAYS_MARGIN_M, WAYS_LEAST_M)
            )
            if stands_m is not None:
                return room_m or 0.0
        return math.inf

    def _choose_yield(
        self, yields: list[Yield], view: WorldView, front_m: float, clear_m: float
    ) -> Yield | None:
        """The nearest conflict that can still be avoided by stopping, where that is possible before
        a light's line, or at first before any junction, so that who turns has room; remembered for
        a moment. The ego can stand anywhere on the next `clear_m`."""
        pace = view.ego.speed_mps
        least_m = -STANDS_IN_M if pace < HALF_OVER_MPS else -0.5
        possible: list[Yield] = []
        for one in yields:
            place_m = self._wait_place_m(one, front_m, clear_m)
            for room_m in (place_m, one.distance_m):
                needed = pace**2 / (2.0 * max(room_m, 0.1))
                if room_m > least_m and needed < self.settings.speed.max_deceleration_mps2:
                    possible.append(dataclasses.replace(one, distance_m=room_m))
                    break
        nearest = min(possible, key=lambda one: one.distance_m, default=None)
        if nearest is not None:
            self._yield = nearest
            self._yield_until_s = view.timestamp_s + YIELD_MEMORY_S
            return nearest
        if view.timestamp_s < self._yield_until_s and self._yield is not None and pace < 1.0:
            return Yield(self._yield.actor_id, self._yield.kind, 0.0, 0.0)
        return None


def _in_stretches(path: LanePath, stretches_m: Sequence[tuple[float, float]]) -> Mask:
    """Which points of the path lie in one of the stretches, from and to metres along it."""
    inside = np.zeros(len(path.points_world_m), dtype=bool)
    for from_m, to_m in stretches_m:
        inside[path.index(from_m) : path.index(to_m) + 1] = True
    return inside
