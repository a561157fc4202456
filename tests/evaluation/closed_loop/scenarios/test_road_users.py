"""Others come when the ego comes, whatever its speed, and keep clear of what is before them."""

from __future__ import annotations

from typing import Any, cast

import carla
import numpy as np
import pytest

from evaluation.closed_loop.scenarios.light_switch import colours
from evaluation.closed_loop.scenarios.road_users import (
    CrossingWalker,
    CuttingIn,
    LeadingCar,
    ParkedCar,
    StreamOfCars,
)
from evaluation.closed_loop.scenarios.scripted_car import Line
from evaluation.routes.scenario import CutIn, Leader, Parked, Stream, Walker
from evaluation.servers.embedded import SimulatorError
from tests.evaluation.closed_loop.scenarios.stand_in_world import EGO_ID, StandInWorld

MEETS_M = 120.0


def _line(start: tuple[float, float], end: tuple[float, float]) -> Line:
    count = int(np.hypot(end[0] - start[0], end[1] - start[1])) + 1
    flat = np.linspace(start, end, count)
    return Line(np.column_stack([flat, np.zeros(count)]))


ROUTE = _line((0.0, 0.0), (300.0, 0.0))
ACROSS = _line((MEETS_M, -90.0), (MEETS_M, 60.0))


def _session(world: StandInWorld) -> Any:
    return cast(Any, world)


def _stream(gaps_m: tuple[float, ...] = (), late_s: float = 0.0) -> Stream:
    return Stream((), 90.0, MEETS_M, 9.0, gaps_m, late_s)


@pytest.mark.parametrize("ego_mps", [5.5, 8.0, 11.0, 14.0])
@pytest.mark.parametrize("late_s", [0.0, 1.0])
def test_a_stream_comes_when_the_ego_comes(ego_mps: float, late_s: float) -> None:
    world = StandInWorld(ego_mps)
    stream = StreamOfCars(_session(world), _stream(late_s=late_s), ACROSS)
    ego_s = came_s = 0.0
    while not (ego_s and came_s):
        world.tick(stream)
        cars = [car for number, car in world.actors.items() if number != EGO_ID]
        ego_s = ego_s or world.time_s * (world.ego_m >= MEETS_M)
        came_s = came_s or world.time_s * any(car.y_m >= 0.0 for car in cars)
        assert world.time_s < 60.0
    # It brakes when the ego comes into its lane, too late to let it pass.
    assert came_s - ego_s == pytest.approx(late_s, abs=0.8)


def test_cars_follow_at_their_gaps_and_go_at_the_end() -> None:
    world = StandInWorld()
    stream = StreamOfCars(_session(world), _stream((20.0, 30.0)), ACROSS)
    seen = 0
    for _ in range(800):
        world.tick(stream)
        seen = max(seen, len(stream.vehicle_ids))
        places = sorted(
            car.y_m for number, car in world.actors.items() if car.exists and number != 1
        )
        assert all(np.diff(places) > 15.0)
    assert (seen, len(world.actors) - 1) == (3, 3)
    assert not stream.vehicle_ids
    assert all(not car.exists for number, car in world.actors.items() if number != EGO_ID)


def test_a_stream_stops_for_an_ego_that_stands_in_its_way() -> None:
    world = StandInWorld()
    stream = StreamOfCars(_session(world), _stream((20.0,), late_s=2.5), ACROSS)
    for _ in range(800):
        if world.ego_m >= MEETS_M:
            world.actors[EGO_ID].speed_mps = 0.0
        world.tick(stream)
    first, second = (world.actors[number].y_m for number in (2, 3))
    assert -14.0 < first < -4.0
    assert second < first - 4.0


def test_a_car_whose_place_is_taken_comes_later_but_not_out_of_nowhere() -> None:
    world = StandInWorld()
    stream = StreamOfCars(_session(world), _stream(), ACROSS)
    world.is_full = True
    while world.ego_m < MEETS_M - 10.0:
        world.tick(stream)
    assert not stream.vehicle_ids
    world.is_full = False
    world.tick(stream)
    assert world.actors[2].y_m == pytest.approx(-25.0, abs=1.0)


def test_a_car_that_has_no_room_at_the_start_is_named() -> None:
    world = StandInWorld(is_full=True)
    with pytest.raises(SimulatorError, match=r"no room for a car of the scenario at \(50.0, 2.4\)"):
        ParkedCar(_session(world), Parked(50.0, 2.4), ROUTE)


def test_a_leader_waits_for_the_ego_brakes_at_its_place_and_goes_on() -> None:
    world = StandInWorld()
    leader = LeadingCar(_session(world), Leader(15.0, 8.0, 110.0, 7.0, 3.0), ROUTE)
    car = world.actors[2]
    stood_s = 0.0
    for _ in range(1600):
        gap_m = car.x_m - world.ego_m
        world.actors[EGO_ID].speed_mps = 8.0 if gap_m > 12.0 else 0.0
        world.tick(leader)
        if car.x_m < 100.0 and world.time_s > 5.0:
            assert gap_m < 25.0
        stood_s += 0.05 * (car.speed_mps == 0.0 and 105.0 < car.x_m < 120.0)
    assert stood_s == pytest.approx(3.0, abs=0.3)
    assert car.x_m > 250.0


@pytest.mark.parametrize(
    ("offset_m", "before_s", "waits"), [(2.5, 2.6, True), (3.5, 1.3, False), (-3.5, 1.3, False)]
)
def test_who_cuts_in_is_beside_until_its_place_and_then_before_the_ego(
    offset_m: float, before_s: float, waits: bool
) -> None:
    world = StandInWorld(9.0)
    user = CuttingIn(_session(world), CutIn(offset_m, 100.0, before_s, 5.0, waits), ROUTE)
    car = world.actors[2]
    for _ in range(600):
        world.tick(user)
        if car.x_m < 98.0:
            assert car.y_m == pytest.approx(offset_m, abs=0.3)
        if abs(car.y_m) < 0.5:
            break
    assert abs(car.y_m) < 0.5
    assert 4.0 < car.x_m - world.ego_m < 20.0


@pytest.mark.parametrize("ego_mps", [5.5, 8.0, 13.0])
@pytest.mark.parametrize("from_right", [True, False])
def test_a_walker_is_in_the_lane_when_the_ego_is_there(ego_mps: float, from_right: bool) -> None:
    world = StandInWorld(ego_mps)
    ends = ((MEETS_M, 4.0, 0.0), (MEETS_M, -6.0, 0.0))
    spec = Walker(ends if from_right else ends[::-1], MEETS_M, 1.5)
    walker = CrossingWalker(_session(world), spec, np.array([MEETS_M, 0.0]))
    person = world.actors[2]
    while world.ego_m < MEETS_M:
        world.tick(walker)
    assert abs(person.y_m) < 0.4
    for _ in range(200):
        world.tick(walker)
    assert person.y_m == pytest.approx(ends[1][1] if from_right else ends[0][1], abs=0.5)


def test_a_parked_car_stays_where_it_was_put() -> None:
    world = StandInWorld()
    parked = ParkedCar(_session(world), Parked(50.0, 2.4), ROUTE)
    for _ in range(20):
        world.tick(parked)
    assert (world.actors[2].x_m, world.actors[2].y_m) == pytest.approx((50.0, 2.4))


@pytest.mark.parametrize(
    ("left_s", "own", "crossing"),
    [
        (11.0, "Red", "Green"),
        (3.9, "Red", "Yellow"),
        (1.0, "Red", "Red"),
        (0.0, "Green", "Red"),
        (-5.0, "Green", "Red"),
    ],
)
def test_crossing_roads_are_cleared_before_the_ego_gets_green(
    left_s: float, own: str, crossing: str
) -> None:
    state = carla.TrafficLightState
    assert colours(left_s) == (getattr(state, own), getattr(state, crossing))
