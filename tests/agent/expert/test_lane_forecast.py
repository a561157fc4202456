"""Cars in a junction, where lanes overlap, are forecast along the one that they follow."""

from __future__ import annotations

import carla
import numpy as np
import pytest

from agent.expert.lane_forecast import LaneForecaster
from agent.expert.road_users import RoadUsers
from tests.evaluation.scoring.roads import crossing_map

SPEED_MPS = 6.0
TIMES_S = np.arange(0.0, 5.1, 0.25)


@pytest.fixture(scope="module")
def crossing() -> carla.Map:
    return crossing_map()


def ways_from_the_west(crossing: carla.Map) -> list[list[carla.Waypoint]]:
    """The ways through the junction of a car that comes from the west, a waypoint every metre."""
    entry = crossing.get_waypoint(carla.Location(145.0, 1.75, 0.0))
    begins = entry.next(8.0)
    ways = []
    for begin in begins:
        way = [begin]
        while way[-1].is_junction:
            way.append(way[-1].next(1.0)[0])
        ways.append(way)
    return ways


def test_a_car_in_a_junction_leaves_it_by_the_lane_that_it_turns_along(
    crossing: carla.Map,
) -> None:
    ways = ways_from_the_west(crossing)
    assert len(ways) > 1
    for way in ways:
        middle, end = way[len(way) // 2], way[-1]
        before, after = way[len(way) // 2 - 2], way[len(way) // 2 + 2]
        turn_deg = after.transform.rotation.yaw - before.transform.rotation.yaw
        turn_rad = np.radians((turn_deg + 180.0) % 360.0 - 180.0)
        yaw = np.radians(middle.transform.rotation.yaw)
        place = middle.transform.location
        car = RoadUsers(
            ids=(1,),
            kinds=("vehicle",),
            centres_world_m=np.array([[place.x, place.y]]),
            yaws_rad=np.array([yaw]),
            heights_m=np.array([0.5]),
            half_extents_m=np.array([[2.3, 0.9]]),
            velocities_world_mps=SPEED_MPS * np.array([[np.cos(yaw), np.sin(yaw)]]),
            yaw_rates_radps=np.array([turn_rad / 4.0 * SPEED_MPS]),
        )
        ahead = LaneForecaster(crossing, lambda _: False)(car, TIMES_S)
        line = ahead.centres_world_m[0]
        left_at = np.array([end.transform.location.x, end.transform.location.y])
        assert np.linalg.norm(line - left_at, axis=1).min() < 1.0
        np.testing.assert_allclose(line[0], [place.x, place.y], atol=0.3)


def test_a_car_at_the_end_of_a_long_lane_is_forecast_along_what_follows(
    crossing: carla.Map, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not along the arc that it happens to drive at the moment, which sweeps over other roads."""
    monkeypatch.setattr("agent.expert.lane_forecast.RUN_M", 50.0)
    car = RoadUsers(
        ids=(1,),
        kinds=("vehicle",),
        centres_world_m=np.array([[140.0, 1.75]]),
        yaws_rad=np.array([0.0]),
        heights_m=np.array([0.5]),
        half_extents_m=np.array([[2.3, 0.9]]),
        velocities_world_mps=np.array([[SPEED_MPS, 0.0]]),
        yaw_rates_radps=np.array([0.8]),
    )
    line = LaneForecaster(crossing, lambda _: False)(car, TIMES_S).centres_world_m[0]
    np.testing.assert_allclose(line[:, 1], 1.75, atol=0.3)
    assert line[-1, 0] == pytest.approx(140.0 + 5.0 * SPEED_MPS, abs=1.0)


@pytest.mark.parametrize(
    ("speed_mps", "stops"),
    [(6.0, True), (9.0, False), (12.0, False)],
)
def test_who_is_too_fast_for_a_red_light_is_forecast_to_run_it(
    crossing: carla.Map, speed_mps: float, stops: bool
) -> None:
    """Its lane ends about 10 m ahead."""
    entry = crossing.get_waypoint(carla.Location(145.0, 1.75, 0.0))
    line_m = entry.next_until_lane_end(0.5)[-1].transform.location.x
    car = RoadUsers(
        ids=(1,),
        kinds=("vehicle",),
        centres_world_m=np.array([[line_m - 10.0, 1.75]]),
        yaws_rad=np.array([0.0]),
        heights_m=np.array([0.5]),
        half_extents_m=np.array([[2.3, 0.9]]),
        velocities_world_mps=np.array([[speed_mps, 0.0]]),
        yaw_rates_radps=np.array([0.0]),
    )
    line = LaneForecaster(crossing, lambda _: True)(car, TIMES_S).centres_world_m[0]
    assert bool(line[-1, 0] < line_m) is stops


def test_who_is_about_to_start_is_forecast_along_its_lane(crossing: carla.Map) -> None:
    car = RoadUsers(
        ids=(1,),
        kinds=("vehicle",),
        centres_world_m=np.array([[120.0, 1.75]]),
        yaws_rad=np.array([0.0]),
        heights_m=np.array([0.5]),
        half_extents_m=np.array([[2.3, 0.9]]),
        velocities_world_mps=np.zeros((1, 2)),
        yaw_rates_radps=np.zeros(1),
    )
    forecaster = LaneForecaster(crossing, lambda _: False)
    stays = forecaster(car, TIMES_S, np.array([False])).centres_world_m[0]
    np.testing.assert_allclose(stays, np.broadcast_to([120.0, 1.75], stays.shape))
    starts = forecaster(car, TIMES_S, np.array([True])).centres_world_m[0]
    after_1250_ms = int(np.searchsorted(TIMES_S, 1.25))
    assert starts[after_1250_ms, 0] == pytest.approx(121.5, abs=0.05)
    np.testing.assert_allclose(starts[:, 1], 1.75, atol=0.1)
