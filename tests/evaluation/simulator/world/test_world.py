"""The world without a server: actors, children, sensors' schedules, rays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.simulator.catalogue.blueprints import BlueprintLibrary
from evaluation.simulator.sensors.sensor import Schedule, noise_generator
from evaluation.simulator.town.town import Town, load_town
from evaluation.simulator.wire.actor_records import AttributeValue, Description
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D, VehicleControl
from evaluation.simulator.wire.dialect import DIALECTS
from evaluation.simulator.wire.errors import CallError
from evaluation.simulator.world.raycast import slab_entries
from evaluation.simulator.world.step import advance
from evaluation.simulator.world.world import World

CAR = Description(0, "vehicle.audi.tt")
GNSS = Description(0, "sensor.other.gnss")


def at(x: float, y: float = 1.75, z: float = 0.2, yaw: float = 0.0) -> Transform:
    return Transform(Vector3D(x, y, z), Rotation(0.0, yaw, 0.0))


@pytest.fixture(scope="module")
def town(tiny_towns: Path) -> Town:
    return load_town(str(tiny_towns / "tiny.xodr"), 0)


@pytest.fixture
def world(town: Town) -> World:
    return World(town, BlueprintLibrary(), seed=1, episode_id=1)


def test_ids_are_never_used_twice(world: World) -> None:
    first = world.spawn(CAR, at(50.0)).actor_id
    assert world.destroy(first)
    assert not world.destroy(first)
    assert world.spawn(CAR, at(50.0)).actor_id > first
    with pytest.raises(CallError, match=str(first)):
        world.actor(first)


def test_rows_follow_when_others_go(world: World) -> None:
    cars = [world.spawn(CAR, at(50.0 + 20.0 * index)) for index in range(4)]
    world.destroy(cars[0].actor_id)
    for index, car in enumerate(cars[1:], 1):
        assert world.transform(car).location.x == 50.0 + 20.0 * index
    world.apply_vehicle_control(cars[3], VehicleControl(throttle=1.0))
    for _ in range(20):
        advance(world, 0.05)
    assert world.transform(cars[3]).location.x > 110.5
    assert world.transform(cars[1]).location.x == pytest.approx(70.0, abs=0.05)


def test_children_of_children_follow(world: World) -> None:
    car = world.spawn(CAR, at(50.0))
    prop = world.spawn(Description(0, "static.prop.box01"), at(1.0, 0.0, 2.0), car.actor_id)
    sensor = world.spawn(GNSS, at(0.0, 1.0, 0.0), prop.actor_id)
    world.set_transform(car, at(100.0, -1.75, 0.0, 180.0))
    advance(world, 0.05)
    assert world.transform(prop).location.x == pytest.approx(99.0, abs=0.01)
    assert world.transform(sensor).location.y == pytest.approx(-2.75, abs=0.01)
    world.destroy(car.actor_id)
    advance(world, 0.05)
    assert prop.parent_id == 0
    assert world.transform(sensor).location.y == pytest.approx(-2.75, abs=0.01)


def test_spectator_and_fixtures_stay(world: World) -> None:
    assert not world.destroy(world.spectator.actor_id)


def test_unknown_parent_is_named(world: World) -> None:
    with pytest.raises(CallError, match="777"):
        world.spawn(GNSS, at(0.0), 777)


def test_every_blueprint_can_be_spawned(world: World) -> None:
    definitions = world.blueprints.to_wire(DIALECTS["0.9.16"])
    assert len(definitions) > 100
    for definition in definitions:
        assert isinstance(definition, list)
        actor = world.spawn(Description(definition[0], definition[1]), at(300.0, 1.75, 1.0))
        advance(world, 0.05)
        assert world.destroy(actor.actor_id)


@given(period_s=st.floats(0.0, 1.0), ticks=st.integers(1, 200))
def test_schedule_keeps_its_mean_rate(period_s: float, ticks: int) -> None:
    values = (AttributeValue("sensor_tick", 3, repr(period_s)),)
    schedule = Schedule(Description(0, "sensor.other.imu", values))
    due = sum(schedule.is_due(0.05 * index) for index in range(ticks))
    expected = min(0.05 * (ticks - 1) / period_s if period_s else np.inf, ticks - 1) + 1
    assert abs(due - expected) <= 1.0


def test_noise_depends_on_seed_place_and_noise_seed(town: Town) -> None:
    def draw(seed: int, first_actor_id: int, noise_seed: int, before: int) -> float:
        world = World(town, BlueprintLibrary(), seed, 1, first_actor_id=first_actor_id)
        for _ in range(before):
            world.spawn(GNSS, at(0.0))
        values = (AttributeValue("noise_seed", 2, str(noise_seed)),)
        actor = world.spawn(Description(0, "sensor.other.gnss", values), at(0.0))
        return float(noise_generator(world, actor).standard_normal())

    reference = draw(1, 1, 0, 0)
    assert draw(1, 500, 0, 0) == reference
    assert len({reference, draw(2, 1, 0, 0), draw(1, 1, 3, 0), draw(1, 1, 0, 1)}) == 4


@pytest.mark.parametrize(
    ("origin", "way", "share"),
    [
        ((-5.0, 0.0, 0.0), (10.0, 0.0, 0.0), 0.4),
        ((0.0, 5.0, 0.0), (0.0, -10.0, 0.0), 0.3),
        ((-5.0, 0.0, 9.0), (10.0, 0.0, 0.0), np.inf),
        ((-5.0, 0.0, 0.0), (2.0, 0.0, 0.0), np.inf),
        ((0.0, 0.0, 0.0), (9.0, 0.0, 0.0), np.inf),
        ((5.0, 0.0, 0.0), (10.0, 0.0, 0.0), np.inf),
    ],
)
def test_rays_enter_boxes(
    origin: tuple[float, float, float], way: tuple[float, float, float], share: float
) -> None:
    half_extent = np.array([[1.0, 2.0, 3.0]])
    assert slab_entries(np.array([origin]), np.array([way]), half_extent)[0] == pytest.approx(share)
