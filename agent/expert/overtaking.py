"""Leaving the ego's lane, for what stands or crawls on it or has to be let past: when and where."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.expert.conflict import ConflictSettings, EgoBody, occupancy
from agent.expert.detour import (
    DetourSettings,
    accelerated_m,
    ease_length_m,
    extended,
    is_clear,
    kept_until,
    lanes_beside,
    passages,
    shift_now,
    shift_past,
)
from agent.expert.lane_entry import AHEAD_M, Entry, Neighbours, SpeedGains
from agent.expert.lane_gap import GapSettings, shrunk, under_way
from agent.expert.lane_path import LanePath
from agent.expert.lane_room import LaneRoom, narrowest
from agent.expert.obstacle import (
    ON_LANE_M,
    STANDING_MPS,
    Obstacle,
    find_obstacle,
    is_slow_cyclist,
    queue_begins_m,
)
from agent.expert.path_shift import Shift, shift_path
from agent.expert.privileged_world import WorldView
from agent.expert.road_users import Forecast, RoadUsers

F64 = NDArray[np.float64]
Forecaster = Callable[[RoadUsers, F64], Forecast]

LOOK_AHEAD_M = 50.0
FORECAST_STEP_S = 0.25
CHECK_EVERY_TICKS = 2
ONCOMING_PATIENCE_S = 12.0
"""Something that takes the ego into the oncoming lane has to have stood this long: most of what
stands goes on."""
STUCK_S = 20.0
"""What stands this long with nothing to wait for is an obstacle even with its handbrake off."""
NO_PARKING_M = 5.0
"""Nobody parks this near a junction: who stands there waits, even with its handbrake on."""
NO_LIGHT_WITHIN_M = 60.0
BEGUN_M = 1.0
"""A shift is carried out, whatever comes, once the ego is this far into it."""
GOES_ON_S = 16.0
"""To go on with a shift that has just begun, a gap is enough that would be after this wait."""
SIREN_BEHIND_M = 80.0
SIREN_PAST_M = 12.0
"""An emergency vehicle is made way for from this far behind the ego to this far before it."""
AGAIN_M = 8.0
"""An obstacle nearer than this to where the ego is back in its lane is passed in the same go."""
WHOLE_LANE_M = 2.5
"""Who is farther than this beside the route is in another lane."""
RETURN_LOOK_S = 0.8
RETURN_LEAST_M = 4.0
"""Whether the ego can come back into its lane is looked at this long, or this far, before."""
KEPT_UP_M = 6.0
"""A shift that cannot end yet is kept up by this much at a time."""
RETURNS_WITHIN_M = 150.0
"""After this way beside its lane the ego takes as small a gap as to go on with a shift."""
RETURNED_SHARE = 0.35
"""Of the way back, the ego is in its lane after this share."""
ENTERS_AT_M = 3.0
"""The ego is seen to enter the next lane this far after a shift has begun."""


@dataclass(frozen=True)
class WorldFacts:
    """What overtaking asks the world for.

    `room_at(distance_m, height_m)` is the room beside the path; `has_handbrake(id)` and
    `is_emergency(id)` tell of a vehicle that it has been parked, and that it has a siren;
    `red_ahead_m(distance_m)` is the way to the next light that is not green; `junctions_m` are the
    stretches of the path that lie in junctions.
    """

    room_at: Callable[[float, float], LaneRoom]
    has_handbrake: Callable[[int], bool]
    is_emergency: Callable[[int], bool]
    red_ahead_m: Callable[[float], float]
    junctions_m: Sequence[tuple[float, float]] = ()


class Overtaking:
    """Decides about the shifts of one route's path.

    A shift that still lies ahead is a plan, and looked at again and again; once it has begun it is
    carried out.

    Attributes:
        passed_ids: what is, or waits to be, passed, and therefore not followed.
        wait_at_m: where along the path the front bumper has to stop until there is room, or None.
        waits_for_kind: the kind of what it stops before there, "vehicle" or "prop", or None.
        path: the route's path, which the driver may change.
        gains: how fast others gather speed.
    """

    def __init__(
        self,
        route_path: LanePath,
        facts: WorldFacts,
        forecaster: Forecaster,
        body: EgoBody,
        settings: DetourSettings,
        conflict: ConflictSettings,
    ) -> None:
        self.passed_ids: frozenset[int] = frozenset()
        self.wait_at_m: float | None = None
        self.waits_for_kind: str | None = None
        self.path = route_path
        self._facts = facts
        self._forecaster = forecaster
        self._body = body
        self._settings = settings
        self._conflict = dataclasses.replace(conflict, side_margin_m=settings.oncoming_side_m)
        self._under_way: tuple[Shift, ...] = ()
        self._plan: Shift | None = None
        self._standing_since_s: dict[int, float] = {}
        self.gains = SpeedGains()
        self._red_until_s = -math.inf
        self._waits_since_s: float | None = None
        self._tick = 0

    @property
    def shifts(self) -> tuple[Shift, ...]:
        """Those under way and the one planned."""
        return self._under_way if self._plan is None else (*self._under_way, self._plan)

    def step(self, view: WorldView, distance_m: float, cruise_mps: float) -> None:
        """Look at the road ahead and decide anew; to be called once per tick.

        `cruise_mps` is the speed at which the ego would drive here if it were alone.
        """
        self._tick += 1
        if self._plan is not None and self._plan.start_m <= distance_m - BEGUN_M:
            self._under_way, self._plan = self.shifts, None
        self._under_way = tuple(
            self._kept_up(view, shift, distance_m)
            for shift in self._under_way
            if shift.end_m > distance_m - 5.0
        )
        passable = self._passable(view, distance_m)
        obstacle = None
        if bool(passable.any()):
            obstacle = find_obstacle(
                self.path, distance_m, LOOK_AHEAD_M, view.others, passable, self._body
            )
        if obstacle is None or self._is_passed_under_way(obstacle):
            self._plan = self._waits_since_s = None
            self.wait_at_m = self.waits_for_kind = None
            if not self._under_way:
                self.passed_ids = frozenset()
            self._make_way(view, distance_m)
        elif self._tick % CHECK_EVERY_TICKS == 0:
            self._decide(view, obstacle, distance_m, cruise_mps)

    def _passable(self, view: WorldView, distance_m: float) -> NDArray[np.bool_]:
        """Which of the others are not just waiting; keeps account of who has stood since when."""
        users, now_s = view.others, view.timestamp_s
        speeds = users.speeds_mps
        standing = {i for i, speed in zip(users.ids, speeds, strict=True) if speed < STANDING_MPS}
        self._standing_since_s = {
            actor_id: self._standing_since_s.get(actor_id, now_s) for actor_id in standing
        }
        near = np.linalg.norm(users.centres_world_m - view.ego.position_world_m, axis=1) < 80.0
        if self._facts.red_ahead_m(distance_m) < NO_LIGHT_WITHIN_M:
            self._red_until_s = now_s
        passable = np.zeros(len(users), dtype=bool)
        for row in np.flatnonzero(near):
            actor_id, kind = users.ids[row], users.kinds[row]
            if kind == "prop":
                passable[row] = True
            elif kind == "vehicle" and speeds[row] >= STANDING_MPS:
                passable[row] = is_slow_cyclist(
                    float(users.half_extents_m[row, 1]), float(speeds[row])
                )
            elif kind == "vehicle":
                since_s = max(self._standing_since_s[actor_id], self._red_until_s)
                stuck = now_s - since_s > STUCK_S
                passable[row] = (
                    stuck
                    or actor_id in self.passed_ids
                    or (
                        self._facts.has_handbrake(actor_id)
                        and self._may_park(users, int(row), distance_m)
                    )
                )
        return passable

    def _may_park(self, users: RoadUsers, row: int, distance_m: float) -> bool:
        """Whether a vehicle stands where one may park, away from the junctions of the route."""
        along, _, _ = self.path.frenet(
            users.centres_world_m[row], distance_m - SIREN_PAST_M, distance_m + 2.0 * LOOK_AHEAD_M
        )
        reach_m = NO_PARKING_M + float(users.half_extents_m[row, 0])
        return not any(
            enter_m - reach_m < float(along) < leave_m + reach_m
            for enter_m, leave_m in self._facts.junctions_m
        )

    def _is_passed_under_way(self, obstacle: Obstacle) -> bool:
        """Whether a shift under way leads past the obstacle, drawn out to where need be."""
        kept: list[Shift] = []
        passed = False
        for shift in self._under_way:
            if shift.start_m < obstacle.last_m and obstacle.first_m < shift.end_m + AGAIN_M:
                shift = extended(shift, obstacle, self._body, self._settings)
                passed = True
            kept.append(shift)
        self._under_way = tuple(kept)
        if passed:
            self.passed_ids = self.passed_ids | frozenset(obstacle.actor_ids)
        return passed

    def _decide(
        self, view: WorldView, obstacle: Obstacle, distance_m: float, cruise_mps: float
    ) -> None:
        """Plan to pass the obstacle on the best side that is free, or to wait before it."""
        self.passed_ids = frozenset(obstacle.actor_ids)
        plan = self._plan
        if (
            plan is not None
            and plan.start_m <= distance_m
            and self._is_free(view, plan, self.passed_ids, distance_m, cruise_mps)
        ):
            return
        self._plan = None
        height_m = float(view.ego_transform.location.z)
        middle_m = 0.5 * (obstacle.first_m + obstacle.last_m)
        room = narrowest(
            self._facts.room_at(place_m, height_m)
            for place_m in (obstacle.first_m, middle_m, obstacle.last_m)
        )
        ways = passages(obstacle, room, self._body, self._settings)
        if not ways:
            self.wait_at_m = self.waits_for_kind = None
            self.passed_ids = frozenset()
            return
        now_s = view.timestamp_s
        if view.ego.speed_mps < STANDING_MPS and self._waits_since_s is None:
            self._waits_since_s = now_s
        begins_m = queue_begins_m(self.path, distance_m, view.others, obstacle, self._body)
        self.wait_at_m = begins_m - self._settings.wait_gap_m
        self.waits_for_kind = view.others.kinds[view.others.ids.index(obstacle.actor_ids[0])]
        for way in ways:
            if way.oncoming and not self._has_stood(obstacle, now_s):
                continue
            shift = shift_past(
                obstacle,
                way,
                distance_m,
                view.ego.speed_mps,
                cruise_mps,
                self._body,
                self._settings,
            )
            if self._is_free(view, shift, self.passed_ids, distance_m, cruise_mps):
                self._plan = shift
                self.wait_at_m = self.waits_for_kind = None
                return

    def _make_way(self, view: WorldView, distance_m: float) -> None:
        """Leave the lane to an emergency vehicle that comes up from behind, until it has passed."""
        users = view.others
        along, lateral, yaw = self.path.frenet(
            users.centres_world_m, distance_m - SIREN_BEHIND_M, distance_m + SIREN_PAST_M
        )
        comes = (np.abs(lateral) < ON_LANE_M) & (np.cos(users.yaws_rad - yaw) > 0.5)
        comes &= (along < distance_m + SIREN_PAST_M) & (users.speeds_mps > STANDING_MPS)
        comes &= along > distance_m - SIREN_BEHIND_M + 1.0
        if not any(self._facts.is_emergency(users.ids[row]) for row in np.flatnonzero(comes)):
            return
        if self._under_way:
            self._under_way = tuple(
                self._longer(view, shift, distance_m + SIREN_PAST_M) for shift in self._under_way
            )
            return
        room = self._facts.room_at(distance_m, float(view.ego_transform.location.z))
        for offset_m in lanes_beside(room):
            shift = shift_now(
                offset_m, distance_m, view.ego.speed_mps, SIREN_PAST_M, self._settings
            )
            if self._is_free(view, shift, frozenset(), distance_m, view.ego.speed_mps):
                self._under_way = (shift,)
                return

    def _kept_up(self, view: WorldView, shift: Shift, distance_m: float) -> Shift:
        """The shift, kept up while the lane that it comes back to has no gap."""
        speed_mps = view.ego.speed_mps
        look_m = max(RETURN_LEAST_M, RETURN_LOOK_S * speed_mps)
        whole_lane = abs(shift.offset_m) > WHOLE_LANE_M and not shift.oncoming
        if not whole_lane or not shift.back_m - look_m < distance_m < shift.back_m:
            return shift
        ease_m = self._way_back_m(shift, speed_mps)
        place_m = shift.back_m + RETURNED_SHARE * ease_m
        near = Neighbours.of(self.path, distance_m, place_m + AHEAD_M, view.others, self.gains)
        wait_s = (place_m - distance_m) / max(speed_mps, 2.0)
        nobody = np.zeros(len(view.others), dtype=np.bool_)
        gap = shrunk(self._settings.gap, (distance_m - shift.full_m) / RETURNS_WITHIN_M * GOES_ON_S)
        if near.leave_gap(Entry(0.0, wait_s, place_m, speed_mps), nobody, self._body, gap):
            return shift
        return self._longer(view, shift, shift.back_m + KEPT_UP_M)

    def _longer(self, view: WorldView, shift: Shift, back_m: float) -> Shift:
        """The shift, kept up to `back_m` if the lane that it leads to goes on so far."""
        room = self._facts.room_at(back_m, float(view.ego_transform.location.z))
        if not any(offset_m * shift.offset_m > 0.0 for offset_m in lanes_beside(room)):
            return shift
        return kept_until(shift, back_m, self._way_back_m(shift, view.ego.speed_mps))

    def _way_back_m(self, shift: Shift, speed_mps: float) -> float:
        """Length over which the ego comes back into its lane comfortably at this speed."""
        curvature_per_m = self._settings.easy_curvature_per_m
        ease_m = ease_length_m(speed_mps, shift.offset_m, self._settings, curvature_per_m)
        return max(shift.end_m - shift.back_m, ease_m)

    def _has_stood(self, obstacle: Obstacle, now_s: float) -> bool:
        since = (self._standing_since_s.get(i, now_s) for i in obstacle.actor_ids)
        stands = obstacle.speed_mps < STANDING_MPS
        return not stands or now_s - max(since) > ONCOMING_PATIENCE_S

    def _gap_asked(self, shift: Shift, now_s: float) -> GapSettings:
        """A smaller gap after a wait, and to go on with what has just begun."""
        waited_s = 0.0 if self._waits_since_s is None else now_s - self._waits_since_s
        if shift is self._plan:
            return under_way(shrunk(self._settings.gap, waited_s + GOES_ON_S))
        return shrunk(self._settings.gap, waited_s)

    def _is_free(
        self,
        view: WorldView,
        shift: Shift,
        passed_ids: frozenset[int],
        distance_m: float,
        cruise_mps: float,
    ) -> bool:
        """Whether the ego, going now, would meet nobody beside its lane."""
        settings, body = self._settings, self._body
        times_s = np.arange(0.0, settings.horizon_s + 1e-6, FORECAST_STEP_S)
        own_m = accelerated_m(
            distance_m, view.ego.speed_mps, cruise_mps, times_s, settings.acceleration_mps2
        )
        times_s = times_s[: int(np.searchsorted(own_m, shift.end_m + body.rear_m)) + 1]
        own_m = own_m[: len(times_s)]
        near = Neighbours.of(self.path, distance_m, shift.end_m + 40.0, view.others, self.gains)
        known = np.isin(view.others.ids, list(passed_ids))
        entering = int(np.argmax(own_m >= shift.start_m + ENTERS_AT_M))
        wait_s, entry_m = float(times_s[entering]), float(own_m[entering])
        entry_mps = min(
            view.ego.speed_mps + settings.acceleration_mps2 * wait_s,
            max(cruise_mps, view.ego.speed_mps),
            math.sqrt(settings.curve_acceleration_mps2 / max(shift.curvature_per_m, 1e-6)),
        )
        entry = Entry(shift.offset_m, wait_s, entry_m, entry_mps)
        follows = near.same_way & (np.abs(near.lateral_m) < ON_LANE_M) & (near.along_m < distance_m)
        gap = self._gap_asked(shift, view.timestamp_s)
        if not near.leave_gap(entry, follows | known, body, gap):
            return False

        # Who stands beyond, at a light say, is stopped behind as always.
        elsewhere = (near.along_m < distance_m) | (near.along_m > shift.back_m)
        others = view.others.select(~known & ~(near.same_way & (near.moves | elsewhere)))
        if len(others) == 0:
            return True
        taken = occupancy(
            shift_path(self.path, (*self._under_way, shift)),
            distance_m,
            shift.end_m - distance_m + 20.0,
            others,
            self._forecaster(others, times_s),
            body,
            self._conflict,
        )
        return is_clear(
            taken,
            own_m,
            entry_mps,
            others.speeds_mps,
            shift.start_m + body.front_m,
            0.5 * (shift.back_m + shift.end_m),
            body,
            settings,
        )
