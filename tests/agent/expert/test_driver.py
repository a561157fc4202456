"""The expert's driver on a straight road, closed over a point-mass car: lights, signs, others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import carla
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.expert.decision import ActorFacts, Decision, RoutePlaces
from agent.expert.driver import ExpertDriver
from agent.expert.junction_ways import JunctionWays
from agent.expert.lane_path import build_path
from agent.expert.lane_room import LaneRoom
from agent.expert.privileged_world import WorldView
from agent.expert.queue_start import starting_way_m
from agent.expert.road_users import NOBODY, Forecast, RoadUsers, forecast
from agent.expert.stop_lines import StopPlace
from planner.records import EgoState

DT_S = 0.05
LIMIT_MPS = 10.0
FRONT_M = 2.45
CURVATURE_PER_STEER = 0.2777
ONE_LANE = LaneRoom(-1.75, 1.75, -1.75, 1.75, False, False)
LEFT_LANE = LaneRoom(-1.75, 1.75, -5.25, 1.75, False, False)
LEFT_ONCOMING = LaneRoom(-1.75, 1.75, -5.25, 1.75, True, False)


def users(*rows: tuple[str, float, float, float, float]) -> RoadUsers:
    """Boxes of (kind, x, y, vx, vy); cars point along their velocity, standing ones along x."""
    if not rows:
        return NOBODY
    velocity = np.array([row[3:5] for row in rows])
    half = [(0.3, 0.3) if row[0] == "walker" else (2.3, 0.9) for row in rows]
    return RoadUsers(
        ids=tuple(range(1, len(rows) + 1)),
        kinds=tuple(row[0] for row in rows),
        centres_world_m=np.array([row[1:3] for row in rows], dtype=np.float64),
        yaws_rad=np.arctan2(velocity[:, 1], velocity[:, 0]),
        heights_m=np.zeros(len(rows)),
        half_extents_m=np.array(half),
        velocities_world_mps=velocity.astype(np.float64),
        yaw_rates_radps=np.zeros(len(rows)),
    )


@dataclass
class Drive:
    """A car on the x axis, driven by the expert; `others(t)` are the road users at time t."""

    driver: ExpertDriver
    others: Callable[[float], RoadUsers] = lambda _: NOBODY
    x_m: float = 0.0
    y_m: float = 0.0
    yaw_rad: float = 0.0
    speed_mps: float = 0.0
    time_s: float = 0.0
    decisions: list[Decision] = field(default_factory=list)
    track: list[tuple[float, float, float]] = field(default_factory=list)
    side_m: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> Drive:
        for _ in range(round(seconds / DT_S)):
            view = WorldView(
                frame=0,
                timestamp_s=self.time_s,
                ego=EgoState(np.array([self.x_m, self.y_m]), self.yaw_rad, self.speed_mps),
                ego_transform=carla.Transform(),
                yaw_rate_radps=0.0,
                others=self.others(self.time_s),
            )
            decision = self.driver.step(view, LIMIT_MPS, DT_S)
            control = decision.control
            force = 5.0 * control.throttle - 8.0 * control.brake - 0.3
            self.speed_mps = max(0.0, self.speed_mps + force * DT_S)
            self.yaw_rad += self.speed_mps * CURVATURE_PER_STEER * control.steer * DT_S
            self.x_m += self.speed_mps * math.cos(self.yaw_rad) * DT_S
            self.y_m += self.speed_mps * math.sin(self.yaw_rad) * DT_S
            self.time_s += DT_S
            self.decisions.append(decision)
            self.track.append((self.time_s, self.x_m, self.speed_mps))
            self.side_m.append(self.y_m)
        return self

    @property
    def front_m(self) -> float:
        return self.x_m + FRONT_M


def straight_on(
    users: RoadUsers, times_s: NDArray[np.float64], starts: NDArray[np.bool_] | None = None
) -> Forecast:
    """Everybody goes straight on; who starts does so southwards."""
    ahead = forecast(users, times_s)
    if starts is not None:
        ahead.centres_world_m[starts, :, 1] += starting_way_m(0.0, times_s)
    return ahead


def start(
    lights: list[StopPlace] | None = None,
    signs: list[StopPlace] | None = None,
    state: Callable[[int], str] = lambda _: "Green",
    room: LaneRoom = ONE_LANE,
    room_to_m: float = math.inf,
    junctions_m: tuple[tuple[float, float], ...] = (),
    handbrake: bool = True,
    parked_ids: tuple[int, ...] | None = None,
    ways: tuple[JunctionWays, ...] = (),
) -> ExpertDriver:
    path = build_path(np.stack([np.arange(400.0), np.zeros(400)], axis=1))
    return ExpertDriver(
        path,
        RoutePlaces(lights or [], signs or [], junctions_m, ways=ways),
        straight_on,
        ActorFacts(
            light_state=state,
            room_at=lambda place, yaw, height: room if place[0] < room_to_m else ONE_LANE,
            has_handbrake=lambda one: handbrake if parked_ids is None else one in parked_ids,
            is_emergency=lambda _: True,
        ),
    )


def test_an_empty_road_is_driven_at_a_share_of_the_limit() -> None:
    drive = Drive(start()).run(12.0)
    assert drive.speed_mps == pytest.approx(0.98 * LIMIT_MPS, abs=0.3)
    assert drive.decisions[-1].reason == "cruise"
    accelerations = np.diff([speed for _, _, speed in drive.track]) / DT_S
    assert accelerations.max() < 3.8


def test_a_red_light_is_stopped_at_and_green_is_driven_on() -> None:
    state = {"now": "Red"}
    drive = Drive(start([StopPlace(1, 80.0)], state=lambda _: state["now"])).run(25.0)
    assert drive.speed_mps < 0.05
    assert 76.5 < drive.front_m < 79.0
    assert drive.decisions[-1].light == "Red"
    state["now"] = "Green"
    drive.run(6.0)
    assert drive.front_m > 90.0


def test_a_light_that_turns_yellow_too_late_is_driven_through() -> None:
    state = {"now": "Green"}
    drive = Drive(start([StopPlace(1, 80.0)], state=lambda _: state["now"]))
    while drive.front_m < 74.0:
        drive.run(DT_S)
    state["now"] = "Yellow"
    drive.run(1.5)
    assert drive.front_m > 82.0
    assert min(speed for _, _, speed in drive.track[-20:]) > 7.0


def test_a_light_that_turns_yellow_in_time_is_stopped_at() -> None:
    state = {"now": "Green"}
    drive = Drive(start([StopPlace(1, 80.0)], state=lambda _: state["now"]))
    while drive.front_m < 60.0:
        drive.run(DT_S)
    state["now"] = "Yellow"
    drive.run(6.0)
    assert drive.speed_mps < 0.05
    assert drive.front_m < 80.0


def test_a_stop_sign_is_halted_at_once_and_left() -> None:
    drive = Drive(start(signs=[StopPlace(5, 60.0)])).run(25.0)
    halted = [(t, x) for t, x, speed in drive.track if speed < 0.1 and t > 2.0]
    assert halted
    assert all(abs(60.0 - x) < 4.0 for _, x in halted)
    assert 0.5 < halted[-1][0] - halted[0][0] < 3.0
    assert drive.x_m > 80.0


def test_a_slower_car_is_followed_at_a_distance() -> None:
    drive = Drive(start(), lambda t: users(("vehicle", 40.0 + 4.0 * t, 0.0, 4.0, 0.0))).run(20.0)
    gap = 40.0 + 4.0 * drive.time_s - 2.3 - drive.front_m
    assert drive.speed_mps == pytest.approx(4.0, abs=0.3)
    assert 6.0 < gap < 16.0
    assert drive.decisions[-1].lead is not None


def test_a_standing_car_is_stopped_behind() -> None:
    drive = Drive(start(), lambda _: users(("vehicle", 80.0, 0.2, 0.0, 0.0))).run(18.0)
    assert drive.speed_mps < 0.05
    assert 2.0 < 80.0 - 2.3 - drive.front_m < 6.0


@pytest.mark.parametrize("side", [3.5, -3.5])
def test_cars_in_the_next_lane_do_not_matter(side: float) -> None:
    free = Drive(start()).run(12.0)
    direction = -8.0 if side < 0 else 8.0
    beside = Drive(
        start(), lambda t: users(("vehicle", 60.0 + direction * t, side, direction, 0.0))
    ).run(12.0)
    assert beside.x_m == pytest.approx(free.x_m, abs=0.01)


@pytest.mark.parametrize(("kind", "speed"), [("vehicle", 7.0), ("walker", 1.4), ("vehicle", -7.0)])
def test_who_crosses_is_given_way(kind: str, speed: float) -> None:
    """They reach the ego's lane when the ego would be there: about 62 m ahead after 8.5 s."""

    def others(t: float) -> RoadUsers:
        return users((kind, 62.0, speed * (t - 8.5), 0.0, speed))

    drive = Drive(start(), others)
    nearest = math.inf
    half = 2.3 if kind == "vehicle" else 0.3
    for _ in range(340):
        drive.run(DT_S)
        other_x, other_y = others(drive.time_s).centres_world_m[0]
        beside = abs(other_y) < half + 0.92
        if beside and drive.x_m - 2.45 < other_x + 0.9:
            nearest = min(nearest, other_x - 0.9 - drive.front_m)
    assert nearest > 0.5
    assert drive.x_m > 80.0


def test_who_comes_too_late_to_be_given_way_is_braked_for_all_the_same() -> None:
    """A car moves off across the road 8 m before the bumper: there is no room to stop with the
    usual distance to it, but to stop."""

    def others(t: float) -> RoadUsers:
        return users(("vehicle", 51.5, -4.5 + 6.0 * max(t - 0.1, 0.0), 0.0, 6.0 * (t > 0.1)))

    drive = Drive(start(), others, x_m=40.0, speed_mps=9.8).run(1.4)
    assert drive.front_m < 51.5 - 0.9
    assert drive.speed_mps < 2.0
    assert drive.run(6.0).x_m > 60.0


def test_who_is_just_out_of_the_way_makes_no_emergency_of_a_car_that_is_followed() -> None:
    """Somebody who crosses leaves the lane right before the ego; 7 m ahead a slower car drives."""
    leaves, leader = ("vehicle", 50.0, 3.53, 0.0, 1.5), ("vehicle", 55.75, 0.0, 6.0, 0.0)
    drive = Drive(start(), lambda _: users(leaves, leader), x_m=44.0, speed_mps=9.8).run(DT_S)
    assert drive.decisions[-1].reason == "lead"
    assert drive.decisions[-1].yielding_to is None


def test_who_has_crossed_long_before_is_not_waited_for() -> None:
    free = Drive(start()).run(15.0)
    early = Drive(start(), lambda t: users(("vehicle", 90.0, -20.0 + 8.0 * t, 0.0, 8.0))).run(15.0)
    assert early.x_m == pytest.approx(free.x_m, abs=1.0)


def test_nobody_behind_is_given_way() -> None:
    free = Drive(start()).run(10.0)
    chased = Drive(start(), lambda t: users(("vehicle", -12.0 + 9.0 * t, 0.0, 9.0, 0.0))).run(1.0)
    assert chased.decisions[-1].reason == "cruise"
    assert free.decisions[-1].reason == "cruise"


def least_gap_m(drive: Drive, other: tuple[float, float]) -> float:
    """How near the ego's outline comes to a car that stands along x at `other`."""
    drive_x = np.array([x for _, x, _ in drive.track])
    drive_y = np.array(drive.side_m)
    apart = np.maximum(
        np.abs(drive_x - other[0]) - FRONT_M - 2.3, np.abs(drive_y - other[1]) - 0.93 - 0.9
    )
    return float(apart.min())


def test_a_parked_car_is_passed_on_the_next_lane_and_the_path_is_what_is_driven() -> None:
    drive = Drive(start(room=LEFT_LANE), lambda _: users(("vehicle", 80.0, 0.2, 0.0, 0.0)))
    drive.run(6.0)
    ahead = drive.driver.path_ahead_world_m(drive.decisions[-1].distance_m, 60)
    route = drive.driver.route_ahead_world_m(drive.decisions[-1].distance_m, 60)
    assert ahead[:, 1].min() < -3.0
    assert np.abs(route[:, 1]).max() < 0.01
    drive.run(11.0)
    assert least_gap_m(drive, (80.0, 0.2)) > 0.3
    assert min(drive.side_m) == pytest.approx(-3.5, abs=0.3)
    assert drive.x_m > 100.0
    assert drive.side_m[-1] == pytest.approx(0.0, abs=0.2)
    assert min(speed for _, _, speed in drive.track[100:]) > 5.0
    assert np.abs([one.lateral_m for one in drive.decisions]).max() < 0.4


def test_who_stands_right_behind_a_junction_waits_there_even_with_its_handbrake_on() -> None:
    """The ego stops behind it as behind anybody, not far off in the junction."""
    blocker = users(("vehicle", 60.0, 0.0, 0.0, 0.0))
    drive = Drive(start(room=LEFT_LANE, junctions_m=((35.0, 54.0),)), lambda _: blocker).run(18.0)
    assert drive.decisions[-1].reason == "lead"
    assert drive.front_m > 50.0
    drive = Drive(start(room=LEFT_LANE, junctions_m=((35.0, 48.0),)), lambda _: blocker).run(18.0)
    assert drive.x_m > 60.0


def test_a_parked_car_is_passed_though_others_stand_beyond_it() -> None:
    def others(t: float) -> RoadUsers:
        return users(("vehicle", 80.0, 0.2, 0.0, 0.0), ("vehicle", 105.0, 0.0, 0.0, 0.0))

    drive = Drive(start(room=LEFT_LANE, handbrake=True), others).run(20.0)
    assert least_gap_m(drive, (80.0, 0.2)) > 0.3
    assert drive.x_m > 84.0


def test_a_gap_that_closes_before_the_ego_has_moved_is_not_taken() -> None:
    """A car comes up fast in the next lane while the ego still stands behind a parked one."""
    parked = ("vehicle", 80.0, 0.2, 0.0, 0.0)
    drive = Drive(start(room=LEFT_LANE), lambda _: users(parked), x_m=66.0).run(0.2)
    assert len(drive.decisions[-1].detours) == 1
    drive.others = lambda t: users(parked, ("vehicle", 45.0 + 14.0 * (t - 0.2), -3.5, 14.0, 0.0))
    assert drive.run(0.2).decisions[-1].detours == ()


def test_who_follows_and_gathers_speed_is_not_pulled_out_before() -> None:
    """At its present speed the car in the next lane would leave room enough; it gathers 3 m/s²."""
    parked = ("vehicle", 80.0, 0.2, 0.0, 0.0)

    def detours(gain_mps2: float) -> int:
        def others(t: float) -> RoadUsers:
            speed = 7.0 + gain_mps2 * t
            place = 44.0 + 7.0 * t + 0.5 * gain_mps2 * t**2 - 7.0 * 0.5 - 0.125 * gain_mps2
            return users(parked, ("vehicle", place, -3.5, speed, 0.0))

        drive = Drive(start(room=LEFT_LANE), others, x_m=66.0)
        return len(drive.run(0.5).decisions[-1].detours)

    assert detours(0.0) == 1
    assert detours(3.0) == 0


def test_a_parked_car_is_waited_behind_until_who_comes_has_passed() -> None:
    """Somebody comes towards the ego on the only other lane, past the parked car after 18 s."""

    def others(t: float) -> RoadUsers:
        return users(("vehicle", 80.0, 0.2, 0.0, 0.0), ("vehicle", 260.0 - 10.0 * t, -3.5, -10, 0))

    drive = Drive(start(room=LEFT_ONCOMING), others).run(17.0)
    assert drive.speed_mps < 0.1
    assert 9.0 < 80.0 - 2.3 - drive.front_m < 11.0
    assert drive.decisions[-1].reason == "wait"
    assert drive.decisions[-1].waiting_for == "vehicle"
    drive.run(17.0)
    assert drive.x_m > 95.0
    assert least_gap_m(drive, (80.0, 0.2)) > 0.3


def test_who_queues_behind_a_parked_car_leaves_room_to_drive_out() -> None:
    """A car comes to stand behind the parked one, and does not go on."""
    parked = ("vehicle", 80.0, 0.2, 0.0, 0.0)

    def others(t: float) -> RoadUsers:
        place_m = min(25.0 + 6.0 * t, 72.0)
        return users(parked, ("vehicle", place_m, 0.0, 6.0 * (place_m < 72.0), 0.0))

    drive = Drive(start(room=LEFT_ONCOMING, parked_ids=(1,)), others).run(18.0)
    assert drive.speed_mps < 0.1
    assert 9.0 < 72.0 - 2.3 - drive.front_m < 11.0
    drive.run(25.0)
    assert drive.x_m > 90.0
    assert least_gap_m(drive, (72.0, 0.0)) > 0.3


def test_a_car_that_has_just_stopped_is_not_passed_over_the_oncoming_lane() -> None:
    drive = Drive(start(room=LEFT_ONCOMING), lambda _: users(("vehicle", 50.0, 0.2, 0.0, 0.0)))
    drive.run(11.0)
    assert drive.speed_mps < 0.1
    assert drive.decisions[-1].detours == ()


def test_who_has_waited_at_a_light_is_not_passed_when_it_turns_green() -> None:
    state = {"now": "Red"}
    driver = start(
        [StopPlace(1, 60.0)], state=lambda _: state["now"], room=LEFT_LANE, handbrake=False
    )
    drive = Drive(driver, lambda _: users(("vehicle", 50.0, 0.2, 0.0, 0.0))).run(40.0)
    state["now"] = "Green"
    assert drive.run(5.0).decisions[-1].detours == ()
    drive.run(25.0)  # by now it has broken down
    assert min(drive.side_m) < -1.0


def test_without_a_lane_beside_a_parked_car_is_stopped_behind() -> None:
    drive = Drive(start(), lambda _: users(("vehicle", 80.0, 0.2, 0.0, 0.0))).run(40.0)
    assert drive.speed_mps < 0.05
    assert drive.front_m < 80.0 - 2.3


@pytest.mark.parametrize(
    ("lit", "enter_m", "waits_m"),
    [
        (True, 74.0, (71.0, 74.0)),
        (True, 60.0, (70.0, 79.0)),  # there is room for the whole ego behind the line
        (False, 74.0, (74.0, 79.0)),
    ],
)
def test_a_gap_is_waited_for_near_who_crosses_but_not_half_over_a_line(
    lit: bool, enter_m: float, waits_m: tuple[float, float]
) -> None:
    """A flow of cars at 8 m/s crosses a junction, until one gap of 48 m comes."""
    gap_at_s = 27.0

    def others(t: float) -> RoadUsers:
        places = [8.0 * (t - 1.5 * k) for k in range(40) if not gap_at_s < 1.5 * k < gap_at_s + 6.0]
        return users(*(("vehicle", 80.0, y, 0.0, 8.0) for y in places if abs(y) < 60.0))

    lights = [StopPlace(1, enter_m)] if lit else []
    drive = Drive(start(lights, junctions_m=((enter_m, 85.0),)), others).run(gap_at_s - 4.0)
    assert drive.speed_mps < 0.1
    assert waits_m[0] < drive.front_m < waits_m[1]
    nearest = math.inf
    for _ in range(200):
        drive.run(DT_S)
        boxes = others(drive.time_s).centres_world_m
        apart = np.maximum(
            np.abs(boxes[:, 0] - drive.x_m) - FRONT_M - 0.9, np.abs(boxes[:, 1]) - 3.2
        )
        nearest = min(nearest, float(apart.min()))
    assert drive.x_m > 90.0
    assert nearest > 0.5


def test_at_first_a_gap_is_waited_for_before_the_junction() -> None:
    """Who turns out of the crossing road needs the room; after 2 s the ego noses in."""

    def others(t: float) -> RoadUsers:
        return users(*(("vehicle", 80.0, 8.0 * (t - 1.5 * k), 0.0, 8.0) for k in range(40)))

    drive = Drive(start(junctions_m=((74.0, 85.0),)), others).run(13.0)
    assert drive.speed_mps < 0.1
    assert 71.0 < drive.front_m < 73.0
    drive.run(10.0)
    assert drive.front_m > 74.0


def test_at_green_the_ego_waits_in_the_junction_where_it_is_in_nobodys_way() -> None:
    """Those who cross leave it 0.35 m if it stands 6.75 m behind the line, its tail 1.85 m."""

    def others(t: float) -> RoadUsers:
        places = [8.0 * (t - 1.5 * k) for k in range(20)]
        return users(*(("vehicle", 82.0, y, 0.0, 8.0) for y in places if abs(y) < 60.0))

    light = {"now": "Green"}
    driver = start([StopPlace(1, 74.0)], state=lambda _: light["now"], junctions_m=((74.0, 90.0),))
    drive = Drive(driver, others).run(20.0)
    assert drive.speed_mps < 0.1
    assert 79.8 < drive.front_m < 80.75
    light["now"] = "Red"  # those who cross stop too, and the ego makes room
    drive.run(30.0)
    assert drive.x_m > 92.0


def test_the_ego_does_not_wait_where_others_may_drive() -> None:
    """Cars cross at x = 84; at x = 77 lies a lane that nobody is on. Its cars would have their side
    at 76, 0.5 m less are left to them."""

    def others(t: float) -> RoadUsers:
        places = [8.0 * (t - 1.5 * k) for k in range(40)]
        return users(*(("vehicle", 84.0, y, 0.0, 8.0) for y in places if abs(y) < 60.0))

    y_m = np.arange(-20.0, 21.0)
    ways = JunctionWays(
        72.0, 90.0, np.stack([np.full(41, 77.0), y_m], axis=1), np.full(41, 0.5 * np.pi)
    )
    waits_m = []
    for known in ((), (ways,)):
        drive = Drive(start(junctions_m=((72.0, 90.0),), ways=known), others).run(20.0)
        assert drive.speed_mps < 0.1
        waits_m.append(drive.front_m)
    assert waits_m[0] > 79.0
    assert 74.0 < waits_m[1] < 75.5


def test_who_has_begun_to_cross_does_not_stop_in_the_way() -> None:
    """Gaps of 2 to 4 s, one of which will do: a car at rest needs a moment to get going."""
    gaps_s = [2.0 + 0.1 * k for k in range(20)]
    begins_s = np.cumsum(gaps_s)

    def others(t: float) -> RoadUsers:
        places = 12.0 * (t - 6.0 - begins_s)
        return users(*(("vehicle", 80.0, y, 0.0, 12.0) for y in places if abs(y) < 70.0))

    drive = Drive(start(junctions_m=((74.0, 85.0),)), others).run(70.0)
    assert drive.x_m > 90.0
    crossing = [speed for _, x_m, speed in drive.track if 78.4 < x_m + FRONT_M < 83.0]
    assert min(crossing) > 0.5


def test_an_emergency_vehicle_from_behind_is_let_past_on_the_next_lane() -> None:
    def others(t: float) -> RoadUsers:
        return users(("vehicle", -90.0 + 15.0 * t, 0.0, 15.0, 0.0))

    drive = Drive(start(room=LEFT_LANE), others)
    nearest = math.inf
    for _ in range(400):
        drive.run(DT_S)
        along = abs(drive.x_m - others(drive.time_s).centres_world_m[0, 0]) - FRONT_M - 2.3
        nearest = min(nearest, max(along, abs(drive.y_m) - 0.93 - 0.9))
    assert nearest > 0.5
    assert min(drive.side_m) == pytest.approx(-3.5, abs=0.3)
    assert drive.y_m == pytest.approx(0.0, abs=0.2)


def test_half_over_the_line_a_standing_car_waits_for_green() -> None:
    state = {"now": "Red"}
    drive = Drive(start([StopPlace(1, 4.0)], state=lambda _: state["now"]), x_m=3.5).run(3.0)
    assert drive.x_m == pytest.approx(3.5, abs=0.2)
    state["now"] = "Green"
    assert drive.run(4.0).x_m > 8.0


def test_a_follower_in_the_lane_that_the_route_changes_to_is_let_go_first() -> None:
    """The route leads one lane to the left at 60 m; a column passes there at 12 m/s."""
    change = 3.5 * np.clip((np.arange(400.0) - 50.0) / 24.0, 0.0, 1.0)
    path = build_path(np.stack([np.arange(400.0), -change], axis=1))
    driver = ExpertDriver(
        path,
        RoutePlaces(),
        straight_on,
        ActorFacts(
            light_state=lambda _: "Green",
            room_at=lambda place, yaw, height: ONE_LANE,
            has_handbrake=lambda _: False,
            is_emergency=lambda _: False,
        ),
    )

    def others(t: float) -> RoadUsers:
        return users(("vehicle", -52.0 + 12.0 * t, -3.5, 12.0, 0.0))

    drive = Drive(driver, others)
    nearest = math.inf
    for _ in range(300):
        drive.run(DT_S)
        other_x, other_y = others(drive.time_s).centres_world_m[0]
        along = abs(drive.x_m - other_x) - FRONT_M - 2.3
        across = abs(drive.y_m - other_y) - 0.93 - 0.9
        nearest = min(nearest, max(along, across))
    assert nearest > 0.5
    assert drive.y_m == pytest.approx(-3.5, abs=0.3)


def test_the_ego_stays_beside_its_lane_until_there_is_room_in_it() -> None:
    """It has passed a parked car; in its own lane a column comes past."""

    def others(t: float) -> RoadUsers:
        column = [("vehicle", 12.0 * (t - 4.0) - 9.0 * i, 0.0, 12.0, 0.0) for i in range(5)]
        return users(("vehicle", 60.0, 0.2, 0.0, 0.0), *(c for c in column if c[1] > 70.0))

    drive = Drive(start(room=LEFT_LANE), others).run(32.0)
    passed = [tick for tick, (_, x_m, _) in enumerate(drive.track) if x_m > 75.0]
    nearest = math.inf
    for tick in passed:
        time_s, x_m, _ = drive.track[tick]
        for place in others(time_s).centres_world_m[1:]:
            along = abs(x_m - place[0]) - FRONT_M - 2.3
            across = abs(drive.side_m[tick] - place[1]) - 0.93 - 0.9
            nearest = min(nearest, max(along, across))
    assert nearest > 0.3
    assert drive.side_m[-1] == pytest.approx(0.0, abs=0.2)


def test_the_ego_comes_back_where_the_lane_beside_its_own_ends() -> None:
    """Somebody keeps beside it, so that there is no gap; the lane that it is in ends at 140 m."""
    parked = ("vehicle", 60.0, 0.2, 0.0, 0.0)
    beside: list[tuple[str, float, float, float, float]] = []
    drive = Drive(start(room=LEFT_LANE, room_to_m=140.0), lambda _: users(parked, *beside))
    for _ in range(400):
        row = ("vehicle", drive.x_m, 0.0, max(drive.speed_mps, 1.0), 0.0)
        beside[:] = [row] if drive.x_m > 70.0 else []
        drive.run(DT_S)
        if drive.x_m > 130.0:
            break
    (shift,) = drive.decisions[-1].detours
    assert 100.0 < shift.back_m < 141.0


def test_an_ego_that_is_parked_beside_its_lane_enters_it_behind_who_comes() -> None:
    driver = start()
    drive = Drive(driver, lambda t: users(("vehicle", -25.0 + 9.0 * t, 0.0, 9.0, 0.0)))
    drive.y_m = 3.4
    drive.run(2.0)
    assert drive.x_m < 0.5
    assert drive.decisions[-1].reason == "wait"
    drive.run(6.0)
    assert drive.x_m > 10.0
    assert drive.y_m == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize("halts", [True, False])
def test_a_queue_that_has_just_halted_is_no_gap(halts: bool) -> None:
    """The ego stands before a lane that crosses its path at 30 m. A car there stands 9 m from the
    path: it is waited for if it halted a moment ago, until it has stood for a while."""

    def others(t: float) -> RoadUsers:
        return users(("vehicle", 30.0, -9.0, 0.0, 1.0 if halts and t < 0.1 else 1e-9))

    drive = Drive(start(), others, x_m=23.0, speed_mps=0.0).run(2.5)
    assert (drive.x_m < 26.0) is halts
    assert drive.run(6.0).x_m > 33.0
