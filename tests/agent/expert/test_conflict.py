"""Where others are waited for, and how the margins shrink with the waiting."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from agent.expert.conflict import (
    FORCED_BEFORE_S,
    GOES_ON_S,
    ConflictSettings,
    EgoBody,
    Patience,
    find_conflicts,
    impatient,
    wait_room_m,
)
from agent.expert.lane_path import build_path
from agent.expert.road_users import RoadUsers, forecast

SETTINGS = ConflictSettings()


@pytest.mark.parametrize(
    ("front_m", "room_m", "waits_at_m"),
    [
        (40.0, 25.0, 58.5),  # half in the junction: before its line
        (40.0, 35.0, 75.0),  # wholly in it: there
        (40.0, 15.0, 55.0),  # before the junction: there
        (40.0, 80.0, 120.0),  # beyond it: there
        (58.8, 5.0, 58.5),  # stopped a little late
        (59.8, 5.0, 59.4),
        (65.0, 10.0, 75.0),  # in the junction already
    ],
)
def test_where_others_are_waited_for(front_m: float, room_m: float, waits_at_m: float) -> None:
    room = wait_room_m(room_m, front_m, [(60.0, 85.0), (200.0, 220.0)])
    assert front_m + room == pytest.approx(waits_at_m)


@pytest.mark.parametrize(
    ("front_m", "room_m", "clear_m", "waits_at_m"),
    [
        (58.0, 5.0, 9.0, 67.0),  # wholly in the junction: there
        (58.0, 5.0, 7.0, 58.5),  # its tail would be over the line: before it
        (64.0, 1.0, 3.0, 67.0),  # on the way there
        (64.0, 1.0, -np.inf, 65.0),  # nobody knows of a place
        (58.0, 40.0, 9.0, 98.0),  # others cross beyond the junction
    ],
)
def test_where_the_ego_is_in_nobodys_way_it_waits_in_the_junction(
    front_m: float, room_m: float, clear_m: float, waits_at_m: float
) -> None:
    room = wait_room_m(room_m, front_m, [(60.0, 85.0)], clear_m)
    assert front_m + room == pytest.approx(waits_at_m)


@pytest.mark.parametrize(
    ("waited_s", "goes", "before_s", "after_s"),
    [
        (0.0, False, SETTINGS.before_s, SETTINGS.after_s),
        (0.0, True, SETTINGS.before_s, SETTINGS.after_s),
        (2.0, False, SETTINGS.before_s, SETTINGS.after_s),
        (2.0, True, SETTINGS.before_s - GOES_ON_S, SETTINGS.after_s),
        (7.0, False, 0.5 * (SETTINGS.before_s + FORCED_BEFORE_S), 0.5 * SETTINGS.after_s),
        (12.0, False, FORCED_BEFORE_S, 0.0),
        (300.0, False, FORCED_BEFORE_S, 0.0),
    ],
)
def test_margins_shrink_with_the_waiting(
    waited_s: float, goes: bool, before_s: float, after_s: float
) -> None:
    shrunk = impatient(SETTINGS, waited_s, goes)
    assert (shrunk.before_s, shrunk.after_s) == pytest.approx((before_s, after_s))
    assert shrunk.walker_after_s == SETTINGS.walker_after_s


def test_patience_counts_the_standing_until_the_place_is_left() -> None:
    patience = Patience()
    patience.step(50.0, 5.0, True, 1.0)
    assert patience.waited_s == 0.0
    for _ in range(4):
        patience.step(52.0, 0.0, True, 1.0)
    patience.step(52.0, 0.0, False, 1.0)
    patience.step(65.0, 6.0, False, 1.0)
    assert patience.waited_s == 4.0
    patience.step(75.0, 8.0, False, 1.0)
    assert patience.waited_s == 0.0


@pytest.mark.parametrize(
    ("x_m", "speed_mps", "looked_back", "yields"),
    [
        (2.0, 16.0, True, False),  # draws away
        (2.0, 16.0, False, True),
        (2.0, 9.0, True, True),  # stays beside
        (-1.0, 16.0, True, True),  # has not passed the half of the ego
    ],
)
def test_who_draws_away_is_followed_into_the_lane_where_a_gap_was_found(
    x_m: float, speed_mps: float, looked_back: bool, yields: bool
) -> None:
    """The path changes to the left lane within 12 m; the ego drives at 8 m/s at its begin."""
    x = np.arange(0.0, 200.0)
    side = -3.5 * np.clip((x - 50.0) / 12.0, 0.0, 1.0)
    path = build_path(np.stack([x, side], axis=1))
    other = RoadUsers(
        ids=(7,),
        kinds=("vehicle",),
        centres_world_m=np.array([[50.0 + x_m, -3.5]]),
        yaws_rad=np.array([0.0]),
        heights_m=np.array([0.5]),
        half_extents_m=np.array([[2.3, 0.9]]),
        velocities_world_mps=np.array([[speed_mps, 0.0]]),
        yaw_rates_radps=np.array([0.0]),
    )
    times_s = np.arange(0.0, 6.1, 0.25)
    leads, gives_way = find_conflicts(
        path,
        50.0,
        50.0 + 8.0 * times_s,
        other,
        forecast(other, times_s),
        EgoBody(),
        SETTINGS,
        has_looked_back=looked_back,
    )
    assert bool(gives_way) is yields
    assert bool(leads) is not yields


@pytest.mark.parametrize(
    ("behind_s", "merge_before_s", "yields"),
    [
        (0.7, SETTINGS.merge_before_s, True),
        (0.7, SETTINGS.before_s, False),  # what somebody who crosses is left
        (1.2, SETTINGS.merge_before_s, False),
        (0.3, SETTINGS.before_s, True),
    ],
)
def test_who_comes_up_from_behind_on_the_lane_that_is_entered_is_left_more_time(
    behind_s: float, merge_before_s: float, yields: bool
) -> None:
    """The path turns right into a lane along x; both drive at 8 m/s, the other one on that lane,
    its front `behind_s` behind where the ego's rear would be."""
    bend_rad = np.linspace(0.0, 0.5 * np.pi, 14)
    turn = np.stack([8.0 * (1.0 - np.cos(bend_rad)), -8.0 * np.sin(bend_rad)], axis=1)
    before = np.stack([np.zeros(30), np.arange(30.0, 0.0, -1.0)], axis=1)
    after = np.stack([np.arange(9.0, 120.0), np.full(111, -8.0)], axis=1)
    path = build_path(np.concatenate([before, turn, after]))
    body, speed_mps = EgoBody(), 8.0
    entered_m = 30.0 + 4.0 * np.pi
    half_m = np.array([[2.3, 0.9]])
    back_m = entered_m - 20.0 + body.rear_m + half_m[0, 0] + behind_s * speed_mps
    other = RoadUsers(
        ids=(7,),
        kinds=("vehicle",),
        centres_world_m=np.array([[8.0 - back_m, -8.0]]),
        yaws_rad=np.array([0.0]),
        heights_m=np.array([0.5]),
        half_extents_m=half_m,
        velocities_world_mps=np.array([[speed_mps, 0.0]]),
        yaw_rates_radps=np.array([0.0]),
    )
    times_s = np.arange(0.0, 6.1, 0.25)
    _, gives_way = find_conflicts(
        path,
        20.0,
        20.0 + speed_mps * times_s,
        other,
        forecast(other, times_s),
        body,
        dataclasses.replace(SETTINGS, merge_before_s=merge_before_s),
    )
    assert bool(gives_way) is yields
