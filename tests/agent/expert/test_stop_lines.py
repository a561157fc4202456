"""Lights and stop signs: where their lines are, and what counts as a halt."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import carla
import numpy as np
import pytest

from agent.expert.lane_forecast import LaneForecaster
from agent.expert.lane_path import build_path
from agent.expert.road_users import RoadUsers, forecast
from agent.expert.stop_lines import (
    StopPlace,
    StopSigns,
    light_lanes,
    places_of_lights,
    places_of_signs,
)
from tests.evaluation.scoring.roads import crossing_map, straight_map

DT_S = 0.05


@dataclass
class Signal:
    """What of a carla.TrafficLight or sign is read; the box lies in the actor's frame."""

    id: int
    place: carla.Transform
    half_m: tuple[float, float] = (1.7, 2.0)
    trigger_volume: SimpleNamespace = field(init=False)

    def __post_init__(self) -> None:
        extent = carla.Vector3D(*self.half_m, 1.0)
        self.trigger_volume = SimpleNamespace(location=carla.Location(), extent=extent)

    def get_transform(self) -> carla.Transform:
        return self.place


def facing(x: float, y: float, yaw_deg: float) -> carla.Transform:
    return carla.Transform(carla.Location(x, y, 0.5), carla.Rotation(yaw=yaw_deg))


@pytest.fixture(scope="module")
def crossing() -> carla.Map:
    return crossing_map()


def eastward_path(length: float = 140.0) -> object:
    return build_path(np.stack([np.arange(length), np.full(int(length), 1.75)], axis=1))


def test_a_lights_line_is_the_last_place_before_the_junction(crossing: carla.Map) -> None:
    light = Signal(7, facing(135.0, 1.75, 90.0))
    lanes = light_lanes(light, crossing)
    assert len(lanes.points_world_m) == 1
    end = lanes.points_world_m[0]
    assert 145.0 < end[0] < 151.0
    assert end[1] == pytest.approx(1.75, abs=0.1)
    assert len(lanes.lane_keys) == 1


def test_only_lights_of_the_own_direction_are_met(crossing: carla.Map) -> None:
    own = light_lanes(Signal(1, facing(135.0, 1.75, 90.0)), crossing)
    oncoming = light_lanes(Signal(2, facing(135.0, -1.75, -90.0)), crossing)
    path = build_path(np.stack([np.arange(200.0), np.full(200, 1.75)], axis=1))
    places = places_of_lights([oncoming, own], path)
    assert [place.actor_id for place in places] == [1]
    assert 144.0 < places[0].distance_m < 151.0


def test_stop_signs_on_the_path(crossing: carla.Map) -> None:
    path = build_path(np.stack([np.arange(140.0), np.full(140, 1.75)], axis=1))
    signs = [Signal(1, facing(120.0, 1.75, 0.0)), Signal(2, facing(60.0, -5.0, 0.0))]
    places = places_of_signs(signs, path)
    assert [(place.actor_id, round(place.distance_m)) for place in places] == [(1, 120)]


def test_a_path_that_comes_back_meets_the_sign_again() -> None:
    angles = np.linspace(0.0, 4.0 * np.pi, 500)
    path = build_path(20.0 * np.stack([np.sin(angles), 1.0 - np.cos(angles)], axis=1))
    places = places_of_signs([Signal(1, facing(20.0, 20.0, 0.0))], path)
    distances = [place.distance_m for place in places]
    assert len(distances) == 2
    assert distances[1] - distances[0] == pytest.approx(40.0 * np.pi, abs=1.0)


def test_a_rolling_stop_is_no_stop() -> None:
    signs = StopSigns([StopPlace(1, 50.0)])
    for _ in range(40):
        assert signs.stop_distance_m(48.0, 0.3, DT_S, 2.45) is not None


def test_a_halt_too_early_is_no_stop() -> None:
    signs = StopSigns([StopPlace(1, 50.0)])
    for _ in range(40):
        assert signs.stop_distance_m(40.0, 0.0, DT_S, 2.45) == pytest.approx(7.8)


def test_after_the_halt_the_next_sign_counts() -> None:
    signs = StopSigns([StopPlace(1, 50.0), StopPlace(2, 150.0)])
    answers = [signs.stop_distance_m(47.9, 0.0, DT_S, 2.45) for _ in range(14)]
    assert answers[0] == pytest.approx(-0.1)
    assert answers[-1] == pytest.approx(150.0 - 2.2 - 47.9)


def one_car(x: float, y: float, yaw: float, speed: float) -> RoadUsers:
    return RoadUsers(
        ids=(1,),
        kinds=("vehicle",),
        centres_world_m=np.array([[x, y]]),
        yaws_rad=np.array([yaw]),
        heights_m=np.array([0.5]),
        half_extents_m=np.array([[2.3, 0.9]]),
        velocities_world_mps=speed * np.array([[np.cos(yaw), np.sin(yaw)]]),
        yaw_rates_radps=np.array([0.0]),
    )


TIMES_S = np.arange(0.0, 4.1, 0.25)


def test_a_car_is_forecast_along_its_lane(crossing: carla.Map) -> None:
    """Slightly off and askew, but it will not leave its lane."""
    ahead = LaneForecaster(crossing, lambda _: False)(one_car(40.0, 2.2, 0.1, 10.0), TIMES_S)
    np.testing.assert_allclose(ahead.centres_world_m[0, :, 0], 40.0 + 10.0 * TIMES_S, atol=0.1)
    np.testing.assert_allclose(ahead.centres_world_m[0, :, 1], 2.2, atol=0.05)
    np.testing.assert_allclose(ahead.yaws_rad[0], 0.0, atol=0.05)


def test_a_car_before_a_red_light_is_forecast_to_stop(crossing: carla.Map) -> None:
    car = one_car(130.0, 1.75, 0.0, 10.0)
    red = LaneForecaster(crossing, lambda _: True)(car, TIMES_S)
    green = LaneForecaster(crossing, lambda _: False)(car, TIMES_S)
    assert red.centres_world_m[0, -1, 0] < 150.0
    assert green.centres_world_m[0, -1, 0] > 160.0


@pytest.mark.parametrize(("x", "y", "yaw"), [(395.0, 1.75, 0.0), (5.0, -1.75, np.pi)])
def test_a_dead_end_is_no_obstacle_to_forecasting(x: float, y: float, yaw: float) -> None:
    """Nothing follows these lanes: the car is forecast to go straight on."""
    car = one_car(x, y, yaw, 10.0)
    ahead = LaneForecaster(straight_map(), lambda _: False)(car, TIMES_S)
    np.testing.assert_allclose(
        ahead.centres_world_m, forecast(car, TIMES_S).centres_world_m, atol=0.1
    )


def test_a_turning_car_is_forecast_along_its_bend() -> None:
    car = one_car(40.0, 1.75, 0.6, 5.0)
    straight = LaneForecaster(straight_map(), lambda _: False)(car, TIMES_S)
    plain = forecast(car, TIMES_S)
    np.testing.assert_allclose(straight.centres_world_m, plain.centres_world_m)
