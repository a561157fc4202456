"""How far the ego can go on and stand without being in anybody's way."""

from __future__ import annotations

import numpy as np
import pytest

from agent.expert.conflict import EgoBody
from agent.expert.lane_path import build_path
from agent.expert.road_users import Forecast, RoadUsers, forecast
from agent.expert.standing_room import standing_room_m

PATH = build_path(np.stack([np.arange(100.0), np.zeros(100)], axis=1))
BODY = EgoBody(front_m=2.5, rear_m=2.5, half_width_m=1.0)
TIMES_S = np.arange(0.0, 6.01, 0.125)
MARGIN_M = 0.5


def one(
    x_m: float, y_m: float, yaw_deg: float, speed_mps: float, kind: str = "vehicle"
) -> RoadUsers:
    """A box of 5 m by 2 m that drives where it looks."""
    yaw_rad = np.radians(yaw_deg)
    return RoadUsers(
        ids=(1,),
        kinds=(kind,),
        centres_world_m=np.array([[x_m, y_m]]),
        yaws_rad=np.array([yaw_rad]),
        heights_m=np.zeros(1),
        half_extents_m=np.array([[2.5, 1.0]]),
        velocities_world_mps=speed_mps * np.array([[np.cos(yaw_rad), np.sin(yaw_rad)]]),
        yaw_rates_radps=np.zeros(1),
    )


def room_m(users: RoadUsers, ahead: Forecast | None = None) -> float:
    """For an ego in the middle of x = 20, its front at 22.5."""
    ahead = forecast(users, TIMES_S) if ahead is None else ahead
    return standing_room_m(PATH, 20.0, 10.0, users, ahead, BODY, MARGIN_M)


def test_before_who_crosses_up_to_the_margin() -> None:
    """Its side is at x = 29, the front of the ego may come to 28.5: 6 m less the step there."""
    assert room_m(one(30.0, -20.0, 90.0, 8.0)) == pytest.approx(6.0, abs=0.26)
    assert room_m(one(30.0, -20.0, 90.0, 8.0)) <= 6.0


def test_who_comes_past_in_the_next_lane_leaves_all_of_it() -> None:
    """3.5 m beside the ego there is 1.5 m between the two; with 2.4 m only 0.4 m."""
    assert room_m(one(50.0, -3.5, 180.0, 8.0)) == 10.0
    assert room_m(one(50.0, -2.4, 180.0, 8.0)) == 0.0


def test_who_turns_off_beside_the_ego_is_measured_by_its_outline() -> None:
    """A car at 45 degrees whose corner is 1.6 m beside the ego's side, though along the path it is
    level with it: its middle is (2.5 + 1) sin 45 = 2.47 m from that corner."""
    users = one(25.0, -(1.0 + 1.6 + 2.47), 135.0, 0.0)
    assert room_m(users) == 10.0
    assert room_m(one(25.0, -(1.0 + 0.3 + 2.47), 135.0, 0.0)) < 3.0


def test_an_ego_that_is_in_the_way_has_none() -> None:
    assert room_m(one(20.0, -15.0, 90.0, 5.0)) == 0.0


@pytest.mark.parametrize(
    "users", [one(10.0, 0.0, 0.0, 6.0), one(24.0, 0.0, 90.0, 0.0, kind="walker")]
)
def test_who_follows_or_walks_is_left_out(users: RoadUsers) -> None:
    assert room_m(users) == 10.0


def test_who_comes_from_behind_and_turns_across_is_not() -> None:
    users = one(10.0, -6.0, 45.0, 4.0)
    assert room_m(users) == 0.0
