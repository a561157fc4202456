"""What the expert would do from where another driver has brought the car."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.expert.correction import disagreement_m, waypoints_back_ego_m
from agent.expert.lane_path import LanePath
from agent.expert.steering import SteeringSettings
from planner.frames import wrap_angle_rad
from planner.records import EgoState, Plan
from tests.agent.expert.test_motion import bend

STEERING = SteeringSettings()


def rolled_out(
    path: LanePath, place_m: float, aside_m: float, turned_rad: float, speed_mps: float
) -> tuple[EgoState, NDArray[np.float64]]:
    """The ego beside the path, and where it is at each waypoint, in the world."""
    yaw = path.yaw_at_rad(place_m)
    side = np.array([-math.sin(yaw), math.cos(yaw)])
    position = path.point_world_m(place_m) + aside_m * side
    ego = EgoState(position, wrap_angle_rad(yaw + turned_rad), speed_mps)
    along_m = place_m + 0.25 * speed_mps * np.arange(11, dtype=np.float64)
    back = waypoints_back_ego_m(path, along_m, ego, 0.0, STEERING)
    cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    return ego, position + back @ np.array([[cos, sin], [-sin, cos]])


@given(aside_m=st.floats(-2.0, 2.0), turned_rad=st.floats(-0.2, 0.2), speed=st.floats(4.0, 9.0))
def test_the_way_back_begins_at_the_car_and_ends_near_the_path(
    aside_m: float, turned_rad: float, speed: float
) -> None:
    path = bend(60.0)
    ego, places = rolled_out(path, 5.0, aside_m, turned_rad, speed)
    offsets = [abs(path.locate(place)[1]) for place in places]
    assert np.linalg.norm(places[0] - ego.position_world_m) == pytest.approx(0.25 * speed, abs=0.05)
    # No jump to the path, as a label of points of the path would have it, and there in the end.
    assert abs(offsets[0] - abs(aside_m)) < 0.25 * speed * 0.35 + 0.05
    assert offsets[-1] < max(0.4, 0.4 * abs(aside_m) + 0.3)


def test_who_is_on_the_path_stays_on_it_in_a_bend() -> None:
    path = bend(12.0)
    _, places = rolled_out(path, 20.0, 0.0, 0.0, 5.0)
    assert max(abs(path.locate(place)[1]) for place in places) < 0.3


def test_who_is_to_stand_is_told_to_stay() -> None:
    path = bend()
    ego = EgoState(np.array([10.0, 1.0]), 0.3, 0.0)
    back = waypoints_back_ego_m(path, np.full(11, 10.0), ego, 0.0, STEERING)
    np.testing.assert_allclose(back, np.zeros((10, 2)), atol=1e-9)


def test_the_larger_of_two_disagreements_counts() -> None:
    straight = np.stack([np.arange(20.0), np.zeros(20)], axis=1)
    wanted = Plan(straight, straight[:10], 0.25)
    assert disagreement_m(wanted, wanted) == 0.0
    aside = Plan(straight + np.array([0.0, 0.5]), straight[:10], 0.25)
    assert disagreement_m(wanted, aside) == pytest.approx(0.5)
    slower = Plan(aside.route_ego_m, 0.5 * straight[:10], 0.25)
    assert disagreement_m(wanted, slower) == pytest.approx(1.5)
    assert disagreement_m(wanted, None) == math.inf
