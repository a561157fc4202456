"""Passing obstacles: what is one, on which side there is room, and when there is time."""

from __future__ import annotations

import numpy as np
import pytest

from agent.expert.conflict import ConflictSettings, EgoBody, occupancy
from agent.expert.detour import (
    DetourSettings,
    accelerated_m,
    ease_length_m,
    extended,
    is_clear,
    passages,
    shift_past,
)
from agent.expert.lane_gap import (
    GapSettings,
    has_gap,
    room_ahead_m,
    room_behind_m,
    shrunk,
    under_way,
)
from agent.expert.lane_path import LanePath, build_path
from agent.expert.lane_room import LaneRoom, narrowest
from agent.expert.obstacle import Obstacle, find_obstacle, is_slow_cyclist
from agent.expert.path_shift import Shift, shift_path
from agent.expert.road_users import RoadUsers, forecast

BODY = EgoBody()
DETOUR = DetourSettings()
GAP = GapSettings()
ALONE = LaneRoom(-1.75, 1.75, -1.75, 1.75, False, False)
LEFT_LANE = LaneRoom(-1.75, 1.75, -5.25, 1.75, False, False)
LEFT_ONCOMING = LaneRoom(-1.75, 1.75, -5.25, 1.75, True, False)
BOTH_LANES = LaneRoom(-1.75, 1.75, -5.25, 5.25, False, False)
CLEAR_M = BODY.half_width_m + DETOUR.side_margin_m


def straight(length_m: float = 200.0) -> LanePath:
    return build_path(np.stack([np.arange(length_m), np.zeros(int(length_m))], axis=1))


def boxes(*rows: tuple[str, float, float, float, float]) -> RoadUsers:
    """Boxes of (kind, x, y, half length, speed along x)."""
    table = np.array([row[1:] for row in rows], dtype=np.float64)
    count = len(rows)
    return RoadUsers(
        ids=tuple(range(1, count + 1)),
        kinds=tuple(row[0] for row in rows),
        centres_world_m=table[:, :2],
        yaws_rad=np.where(table[:, 3] < 0.0, np.pi, 0.0),
        heights_m=np.zeros(count),
        half_extents_m=np.stack([table[:, 2], np.full(count, 0.9)], axis=1),
        velocities_world_mps=np.stack([table[:, 3], np.zeros(count)], axis=1),
        yaw_rates_radps=np.zeros(count),
    )


def parked(left_m: float, right_m: float, speed_mps: float = 0.0) -> Obstacle:
    return Obstacle((1,), 50.0, 55.0, left_m, right_m, speed_mps)


@pytest.mark.parametrize(
    ("left_m", "right_m", "room", "offsets_m", "oncoming"),
    [
        (0.9, 2.7, ALONE, [0.9 - CLEAR_M], [False]),  # over the right edge: room in the lane
        (0.0, 1.8, ALONE, [], []),  # no room, no lane beside
        (0.0, 1.8, LEFT_LANE, [-3.5], [False]),  # the next lane, whole
        (0.0, 1.8, LEFT_ONCOMING, [-CLEAR_M], [True]),  # the oncoming lane, as little as need be
        (-0.9, 0.9, BOTH_LANES, [-3.5, 3.5], [False, False]),
        (-2.7, -0.9, BOTH_LANES, [-0.9 + CLEAR_M], [False]),  # stays in the lane, to the right
        (-5.0, 0.9, LEFT_LANE, [], []),  # both lanes are blocked
    ],
)
def test_where_an_obstacle_is_passed(
    left_m: float, right_m: float, room: LaneRoom, offsets_m: list[float], oncoming: list[bool]
) -> None:
    ways = passages(parked(left_m, right_m), room, BODY, DETOUR)
    assert [way.offset_m for way in ways][: len(offsets_m)] == pytest.approx(offsets_m)
    assert [way.oncoming for way in ways][: len(oncoming)] == oncoming
    assert bool(ways) == bool(offsets_m)


@pytest.mark.parametrize("speed_mps", [0.0, 5.0, 13.0])
@pytest.mark.parametrize("distance_m", [10.0, 40.0])
def test_a_shift_clears_the_obstacle_from_end_to_end(speed_mps: float, distance_m: float) -> None:
    obstacle = parked(-0.9, 0.9)
    way = passages(obstacle, LEFT_LANE, BODY, DETOUR)[0]
    shift = shift_past(obstacle, way, distance_m, speed_mps, 10.0, BODY, DETOUR)
    assert shift.start_m >= distance_m
    beside = np.arange(obstacle.first_m - BODY.front_m, obstacle.last_m + BODY.rear_m)
    if speed_mps**2 / 4.0 < obstacle.first_m - distance_m - 10.0:
        assert np.all(shift.offset_at_m(beside) <= way.least_m + 1e-6)
    assert shift.end_m > shift.back_m >= obstacle.last_m + BODY.rear_m
    assert shift.offset_at_m(np.array([distance_m, shift.end_m + 1.0])) == pytest.approx(0.0)


def test_a_moving_obstacle_is_given_the_way_that_it_makes() -> None:
    way = passages(parked(0.0, 1.0), LEFT_LANE, BODY, DETOUR)[0]
    moving = shift_past(parked(0.0, 1.0, 3.0), way, 30.0, 8.0, 8.0, BODY, DETOUR)
    # 27.45 m at 8 - 3 m/s take 5.5 s, in which it makes 16.5 m.
    past_m = DETOUR.after_m + BODY.rear_m
    assert moving.back_m == pytest.approx(55.0 + 16.5 + past_m, abs=0.1)


def test_a_shift_is_drawn_out_past_the_next_obstacle() -> None:
    shift = Shift(30.0, 40.0, 60.0, 75.0, -2.0)
    longer = extended(shift, Obstacle((2,), 65.0, 80.0, -1.0, 1.0, 0.0), BODY, DETOUR)
    assert longer.back_m == pytest.approx(80.0 + DETOUR.after_m + BODY.rear_m)
    assert longer.end_m - longer.back_m == pytest.approx(shift.end_m - shift.back_m)
    assert longer.offset_m == pytest.approx(-1.0 - CLEAR_M)
    assert extended(shift, parked(0.0, 1.0), BODY, DETOUR) == shift


def test_a_way_out_is_comfortable_at_speed_and_drivable_at_none() -> None:
    assert ease_length_m(0.0, 3.5, DETOUR, 0.2) == pytest.approx(np.sqrt(5.77 * 3.5 / 0.2))
    slow, fast = (ease_length_m(speed, 3.5, DETOUR, 0.2) for speed in (8.0, 16.0))
    assert fast == pytest.approx(2.0 * slow)
    assert ease_length_m(8.0, 1.0, DETOUR, 0.2) < slow


@pytest.mark.parametrize(
    ("places_m", "speeds_mps", "ego_mps", "fits"),
    [
        ([], [], 5.0, True),
        ([-12.0], [5.0], 5.0, True),  # follows at the ego's speed
        ([-8.0], [5.0], 5.0, False),  # too near
        ([-20.0], [14.0], 5.0, False),  # would have to brake too hard
        ([-40.0], [14.0], 5.0, True),
        ([10.0], [5.0], 5.0, True),
        ([10.0], [0.0], 10.0, False),  # the ego could not stop behind it
        ([0.0], [5.0], 5.0, False),  # beside
        ([-30.0, 10.0], [5.0, 5.0], 5.0, True),
        ([-30.0, 1.0], [5.0, 5.0], 5.0, False),
    ],
)
def test_gap(places_m: list[float], speeds_mps: list[float], ego_mps: float, fits: bool) -> None:
    """Cars of 4.6 m about `places_m`, for an ego of 4.9 m about 0."""
    places = np.array(places_m, dtype=np.float64)
    speeds = np.array(speeds_mps, dtype=np.float64)
    assert has_gap(places - 2.3, places + 2.3, speeds, -2.45, 2.45, ego_mps, GAP) is fits


def test_the_room_of_a_gap_grows_with_the_difference_of_the_speeds() -> None:
    behind = room_behind_m(np.array([5.0, 10.0, 15.0]), 10.0, GAP)
    assert behind == pytest.approx([6.0, 10.0, 14.0 + 25.0 / 6.0])
    ahead = room_ahead_m(np.array([5.0, 10.0, 15.0]), 10.0, GAP)
    assert ahead == pytest.approx([2.0 + 25.0 / 6.0, 2.0, 4.0])


def test_a_gap_that_was_found_is_not_lost_to_who_has_just_passed_and_slows_down() -> None:
    """Giving it up, the ego would creep up to what stands before it."""
    for place_m, speed_mps, asked, fits in (
        (11.0, 14.0, GAP, True),
        (8.0, 14.0, GAP, False),  # only just passed: too early to set off
        (5.5, 11.0, under_way(GAP), True),
        (4.0, 11.0, under_way(GAP), False),
    ):
        place, speed = np.array([place_m]), np.array([speed_mps])
        assert has_gap(place - 2.3, place + 2.3, speed, -2.45, 2.45, 4.0, asked) is fits


@pytest.mark.parametrize(
    ("waited_s", "behind_s", "behind_mps2"),
    [(0.0, 0.8, 3.0), (8.0, 0.8, 3.0), (19.0, 0.4, 5.5), (30.0, 0.0, 8.0), (99.0, 0.0, 8.0)],
)
def test_what_is_asked_of_a_gap_shrinks_with_the_waiting(
    waited_s: float, behind_s: float, behind_mps2: float
) -> None:
    asked = shrunk(GAP, waited_s)
    assert (asked.behind_s, asked.behind_mps2) == pytest.approx((behind_s, behind_mps2))
    assert asked.least_m == GAP.least_m


@pytest.mark.parametrize(
    ("x_m", "speed_mps", "clear"),
    [(100.0, -10.0, False), (190.0, -10.0, True), (60.0, 0.0, False), (-30.0, -5.0, True)],
)
def test_who_comes_towards_the_ego_is_waited_for(x_m: float, speed_mps: float, clear: bool) -> None:
    """The ego drives at 8 m/s, beside its lane from 30 to 70 m, which takes from 4 to 9 s."""
    shift = Shift(30.0, 40.0, 70.0, 80.0, -3.5)
    others = boxes(("vehicle", x_m, -3.5, 2.3, speed_mps))
    times_s = np.arange(0.0, 10.0, 0.25)
    own_m = accelerated_m(0.0, 8.0, 8.0, times_s, 2.0)
    taken = occupancy(
        shift_path(straight(), [shift]),
        0.0,
        120.0,
        others,
        forecast(others, times_s),
        BODY,
        ConflictSettings(),
    )
    got = is_clear(taken, own_m, 8.0, others.speeds_mps, 30.0, 70.0, BODY, DETOUR)
    assert got is clear


def test_speed_is_gathered_up_to_the_top() -> None:
    times_s = np.array([0.0, 1.0, 2.0, 4.0])
    places = accelerated_m(5.0, 2.0, 6.0, times_s, 2.0)
    assert places == pytest.approx([5.0, 8.0, 13.0, 25.0])
    assert accelerated_m(0.0, 9.0, 6.0, times_s, 2.0) == pytest.approx(9.0 * times_s)


@pytest.mark.parametrize(
    ("others", "ids"),
    [
        ([("vehicle", 40.0, 0.5, 2.3, 0.0)], (1,)),
        ([("vehicle", 40.0, 3.5, 2.3, 0.0)], None),  # beside the lane
        ([("vehicle", -20.0, 0.0, 2.3, 0.0)], None),  # behind
        ([("vehicle", 90.0, 0.0, 2.3, 0.0)], None),  # too far ahead
        ([("prop", 40.0, 0.0, 0.2, 0.0), ("prop", 45.0, 1.9, 0.2, 0.0)], (1, 2)),  # one goes along
        ([("vehicle", 40.0, 0.0, 2.3, 0.0), ("vehicle", 70.0, 0.0, 2.3, 0.0)], (1,)),  # too far off
        ([("vehicle", 52.0, 0.0, 2.3, 0.0), ("vehicle", 40.0, 0.0, 2.3, 0.0)], (2, 1)),
    ],
)
def test_which_boxes_make_an_obstacle(
    others: list[tuple[str, float, float, float, float]], ids: tuple[int, ...] | None
) -> None:
    users = boxes(*others)
    found = find_obstacle(straight(), 5.0, 50.0, users, np.ones(len(users), dtype=bool), BODY)
    assert (None if found is None else found.actor_ids) == ids
    none = find_obstacle(straight(), 5.0, 50.0, users, np.zeros(len(users), dtype=bool), BODY)
    assert none is None


def test_an_obstacle_spans_its_boxes() -> None:
    users = boxes(("vehicle", 40.0, 0.5, 2.3, 1.0), ("vehicle", 50.0, -0.5, 2.0, 0.0))
    found = find_obstacle(straight(), 5.0, 50.0, users, np.ones(2, dtype=bool), BODY)
    assert found is not None
    assert (found.first_m, found.last_m) == pytest.approx((37.7, 52.0))
    assert (found.left_m, found.right_m) == pytest.approx((-1.4, 1.4))
    assert found.speed_mps == pytest.approx(1.0)


def test_two_wheelers_are_overtaken_unless_they_are_fast() -> None:
    assert is_slow_cyclist(0.35, 3.0)
    assert not is_slow_cyclist(0.35, 9.0)
    assert not is_slow_cyclist(0.95, 3.0)


def test_a_shifted_path_runs_beside_the_route_and_comes_back() -> None:
    path = straight()
    shifted = shift_path(path, [Shift(50.0, 70.0, 90.0, 110.0, -3.0)])
    assert shift_path(path, []) is path
    assert len(shifted.points_world_m) == len(path.points_world_m)
    assert shifted.points_world_m[path.index(80.0)] == pytest.approx([80.0, -3.0])
    assert shifted.points_world_m[path.index(120.0)] == pytest.approx([120.0, 0.0])
    assert shifted.yaw_rad[path.index(60.0)] < -0.2
    assert shifted.yaw_rad[path.index(120.0)] == pytest.approx(0.0, abs=1e-9)
    # Largest curvature of the quintic over 20 m: 5.77 x 3 / 20^2.
    assert np.abs(shifted.curvature_per_m).max() == pytest.approx(0.0433, rel=0.2)


def test_of_two_shifts_the_farther_one_counts() -> None:
    shifted = shift_path(
        straight(),
        [Shift(50.0, 60.0, 90.0, 110.0, -1.0), Shift(70.0, 80.0, 90.0, 100.0, -3.0)],
    )
    assert shifted.points_world_m[130, 1] == pytest.approx(-1.0)
    assert shifted.points_world_m[170, 1] == pytest.approx(-3.0)


def test_room_is_what_is_free_everywhere() -> None:
    assert narrowest([BOTH_LANES, LEFT_ONCOMING]) == LEFT_ONCOMING
    assert narrowest([LEFT_LANE, ALONE]).far_left_m == ALONE.left_m
