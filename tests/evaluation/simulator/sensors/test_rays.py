"""Lidars, radar and obstacle detector in scenes that can be computed by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import carla
import numpy as np
import pytest

from evaluation.simulator.catalogue.blueprints import BlueprintLibrary
from evaluation.simulator.sensors.lidar import LidarSensor, Sweep
from evaluation.simulator.sensors.radar import RadarSensor
from evaluation.simulator.sensors.ray_scene import RayScene
from evaluation.simulator.sensors.sensor import whole
from evaluation.simulator.town.town import Town, load_town
from evaluation.simulator.wire.actor_records import AttributeValue, Description
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D, WireError
from evaluation.simulator.world.actor import Actor
from evaluation.simulator.world.step import advance
from evaluation.simulator.world.world import World
from tests.evaluation.simulator.client_session import DELTA_S, ClientSession, pose

CAR = "vehicle.lincoln.mkz_2020"
HALF_LENGTH_M = 4.89 / 2
DOWN, AHEAD, UP = (0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
SEMANTIC_POINT = np.dtype(
    [("x", "f4"), ("y", "f4"), ("z", "f4"), ("cosine", "f4"), ("actor", "u4"), ("tag", "u4")]
)


@pytest.fixture(scope="module")
def town(tiny_towns: Path) -> Town:
    return load_town(str(tiny_towns / "tiny.xodr"), 0)


def sensor(**attributes: object) -> Actor:
    values = tuple(AttributeValue(name, 3, str(value)) for name, value in attributes.items())
    return Actor(1, None, Description(0, "sensor.lidar.ray_cast", values), None, 0)  # type: ignore[arg-type]


def test_rays_meet_what_is_there(town: Town) -> None:
    world = World(town, BlueprintLibrary(), 0, 1)
    car = world.spawn(Description(0, CAR), Transform(Vector3D(50.0, 1.75, 0.0)))
    scene = RayScene(town)
    place = np.array((40.0, 1.75, 0.8))
    rays = np.array((DOWN, AHEAD, UP))
    hits = scene.cast(world, place, rays, 100.0)
    # Roads lie two layers of a millimetre above the open ground.
    assert hits.distance_m[0] == pytest.approx(0.8 - 0.002, abs=1e-4)
    assert (hits.tag[0], hits.actor_id[0], hits.cosine[0]) == (1, 0, pytest.approx(1.0))
    assert hits.distance_m[1] == pytest.approx(10.0 - HALF_LENGTH_M, abs=0.5)
    assert (hits.tag[1], hits.actor_id[1]) == (14, car.actor_id)
    assert math.isinf(hits.distance_m[2])
    slanted = np.array(((math.sqrt(0.75), 0.0, -0.5),))
    met = scene.cast(world, np.array((20.0, 1.75, 2.002)), slanted, 100.0)
    assert (met.distance_m[0], met.cosine[0]) == (pytest.approx(4.0, abs=1e-3), pytest.approx(0.5))
    assert scene.cast(world, place, rays[1:2], 7.0).actor_id[0] == 0
    assert scene.cast(world, place, rays[1:2], 100.0, car.actor_id).actor_id[0] == 0


def test_rays_follow_bodies_that_move(town: Town) -> None:
    world = World(town, BlueprintLibrary(), 0, 1)
    car = world.spawn(Description(0, CAR), Transform(Vector3D(50.0, 1.75, 0.0)))
    scene = RayScene(town)
    start, way = np.array((40.0, 1.75, 0.8)), np.array((AHEAD,))
    before = scene.cast(world, start, way, 100.0).distance_m[0]
    world.set_transform(car, Transform(Vector3D(53.0, 1.75, 0.0)))
    world.frame += 1
    assert scene.cast(world, start, way, 100.0).distance_m[0] == pytest.approx(
        before + 3.0, abs=1e-3
    )
    turned = Transform(Vector3D(53.0, 1.75, 0.0), Rotation(yaw=90.0))
    world.set_transform(car, turned)
    world.frame += 1
    wider = scene.cast(world, start, way, 100.0).distance_m[0]
    assert wider == pytest.approx(13.0 - 1.84 / 2, abs=0.2)


def test_another_episode_has_other_actors(town: Town) -> None:
    scene = RayScene(town)
    start, way = np.array((40.0, 1.75, 0.8)), np.array((AHEAD,))
    for first_id, x in ((1, 50.0), (101, 55.0)):
        world = World(town, BlueprintLibrary(), 0, 1, first_actor_id=first_id)
        car = world.spawn(Description(0, CAR), Transform(Vector3D(x, 1.75, 0.0)))
        hits = scene.cast(world, start, way, 100.0)
        assert hits.actor_id[0] == car.actor_id
        assert hits.distance_m[0] == pytest.approx(x - 40.0 - HALF_LENGTH_M, abs=0.5)


def test_a_sweep_is_ordered_as_in_carla() -> None:
    sweep = Sweep(
        sensor(channels=3, upper_fov=10, lower_fov=-20, points_per_second=240, rotation_frequency=5)
    )
    rays = sweep.turn(0.05)
    assert rays.shape == (3, 4, 3)
    assert np.linalg.norm(rays, axis=2) == pytest.approx(1.0)
    pitch_deg = np.degrees(np.arcsin(rays[:, 0, 2]))
    assert pitch_deg == pytest.approx([10.0, -5.0, -20.0])
    yaw_deg = np.degrees(np.arctan2(rays[0, :, 1], rays[0, :, 0])) % 360.0
    assert yaw_deg == pytest.approx([180.0, 202.5, 225.0, 247.5])
    assert sweep.angle_deg == pytest.approx(90.0)
    assert np.degrees(np.arctan2(*sweep.turn(0.05)[0, 0, 1::-1])) == pytest.approx(-90.0)
    narrow = Sweep(
        sensor(channels=1, horizontal_fov=60, points_per_second=60, rotation_frequency=1)
    )
    yaw_deg = np.degrees(np.arctan2(*narrow.turn(1.0)[0, :, 1::-1].T))
    assert yaw_deg == pytest.approx(np.arange(-30.0, 30.0))


@pytest.mark.parametrize(
    "attributes",
    [
        {"channels": 0},
        {"channels": 1e6},
        {"range": -1},
        {"points_per_second": 1e300},
        {"upper_fov": 91},
    ],
)
def test_impossible_lidars_are_refused(attributes: dict[str, float]) -> None:
    with pytest.raises(WireError, match=next(iter(attributes))):
        Sweep(sensor(**attributes))


def test_no_client_number_makes_a_sweep_endless() -> None:
    sweep = Sweep(sensor(points_per_second=1e9, channels=64))
    assert sweep.turn(10.0).shape[:2] == (64, 15625)


@pytest.mark.parametrize("wanted", [87.5, 75.0, 88.5, 1e6])
def test_times_that_differ_by_rounding_have_the_same_rays(wanted: float) -> None:
    # 0.1 + 0.2 - 0.25 is not 0.05: an episode's clock is a sum.
    counts = {whole(wanted / 0.05 * time_s) for time_s in (0.05, 0.1 + 0.2 - 0.25, 3.7 - 3.65)}
    assert counts == {round(wanted)}


@pytest.mark.parametrize("kind", ["sensor.lidar.ray_cast", "sensor.other.radar"])
def test_what_is_measured_does_not_depend_on_who_listened_before(town: Town, kind: str) -> None:
    def measure(heard: Sequence[bool]) -> bytes:
        world = World(town, BlueprintLibrary(), 0, 1)
        actor = world.spawn(Description(0, kind), Transform(Vector3D(150.0, 0.0, 1.0)))
        sensor = (LidarSensor if "lidar" in kind else RadarSensor)(world, actor)
        scene = RayScene(town)
        for is_heard in heard:
            advance(world, 0.05)
            if sensor.schedule.is_due(world.elapsed_s) and is_heard:
                parts = sensor.measure(world, scene)
        return b"".join(bytes(part) for part in parts)

    last = measure([True] * 4)
    assert measure([False, True, False, True]) == last
    assert measure([True] * 3) != last


# Through the official client


def scan(session: ClientSession, kind: str, place: carla.Transform, **attributes: object) -> Any:
    """Return the second measurement, which is of a whole tick."""
    lidar = session.spawn(f"sensor.lidar.{kind}", place, None, **attributes)
    readings = session.listen(lidar)
    return session.read(readings, session.ticks(3))


ONE_RING = {
    "channels": 1,
    "upper_fov": -30,
    "lower_fov": -30,
    "points_per_second": 400 / DELTA_S,
    "rotation_frequency": 1 / DELTA_S,
}
WHOLE = {"dropoff_general_rate": 0, "dropoff_intensity_limit": 0}


def test_lidar_draws_a_ring_on_the_road(session: ClientSession) -> None:
    ring = {key: int(value) for key, value in ONE_RING.items()}
    reading = scan(session, "ray_cast", pose(150.0, 0.0, 1.002, yaw=30.0), **ring, **WHOLE)
    points = np.frombuffer(reading.raw_data, np.float32).reshape(-1, 4)
    assert (len(points), reading.channels, reading.get_point_count(0)) == (400, 1, 400)
    # One metre above the road, 30 degrees down: two metres away, in the sensor's own axes.
    assert points[:, 2] == pytest.approx(-1.0, abs=0.004)
    assert np.hypot(points[:, 0], points[:, 1]) == pytest.approx(math.sqrt(3.0), abs=0.01)
    assert points[:, 3] == pytest.approx(math.exp(-0.004 * 2.0), abs=1e-4)
    assert math.cos(reading.horizontal_angle) == pytest.approx(1.0, abs=1e-3)
    first = next(iter(reading))
    assert (first.point.x, first.intensity) == (points[0, 0], points[0, 3])


def test_lidar_loses_and_shakes_points(session: ClientSession) -> None:
    ring = {key: int(value) for key, value in ONE_RING.items()}
    half = scan(
        session, "ray_cast", pose(150.0, 0.0, 1.0), **ring, dropoff_general_rate=0.5,
        dropoff_intensity_limit=0,
    )  # fmt: skip
    assert 140 < half.get_point_count(0) < 260
    dark = scan(
        session, "ray_cast", pose(150.0, 0.0, 1.0), **ring, dropoff_general_rate=0,
        dropoff_intensity_limit=1, dropoff_zero_intensity=1, atmosphere_attenuation_rate=0.5,
    )  # fmt: skip
    # exp(-0.5 x 2) of all points are kept.
    assert dark.get_point_count(0) == pytest.approx(400 * math.exp(-1.0), abs=40)
    noisy = scan(session, "ray_cast", pose(150.0, 0.0, 1.0), **ring, **WHOLE, noise_stddev=0.1)
    points = np.frombuffer(noisy.raw_data, np.float32).reshape(-1, 4)[:, :3]
    distance_m = np.linalg.norm(points, axis=1)
    assert distance_m.std() == pytest.approx(0.1, rel=0.2)
    assert distance_m.mean() == pytest.approx(2.0, abs=0.03)


def test_semantic_lidar_names_the_car_on_its_right(session: ClientSession) -> None:
    car = session.spawn(CAR, pose(150.0, 1.75))
    session.ticks(5)
    reading = scan(
        session, "ray_cast_semantic", pose(150.0, -2.0, 0.8), channels=8, upper_fov=5,
        lower_fov=-20, points_per_second=64000, rotation_frequency=20, range=20,
    )  # fmt: skip
    points = np.frombuffer(reading.raw_data, SEMANTIC_POINT)
    counts = [reading.get_point_count(channel) for channel in range(8)]
    assert sum(counts) == len(points) == len(reading)
    mine = points[points["actor"] == car.id]
    assert len(mine) > 100
    assert set(mine["tag"].tolist()) == {14}
    # y grows to the right; the near side of the car is 3.75 m away less half a width.
    assert mine["y"].min() == pytest.approx(3.75 - 1.84 / 2, abs=0.15)
    road = points[points["tag"] == 1]
    assert road["z"] == pytest.approx(-0.8, abs=0.01)
    assert (road["actor"] == 0).all()
    slant = 0.8 / np.sqrt(road["x"] ** 2 + road["y"] ** 2 + road["z"] ** 2)
    assert road["cosine"] == pytest.approx(slant, abs=0.01)


def test_radar_measures_where_and_how_fast(session: ClientSession) -> None:
    car = session.spawn(CAR, pose(165.0, 1.75))
    session.ticks(2)
    car.enable_constant_velocity(carla.Vector3D(5.0, 0.0, 0.0))
    radar = session.spawn(
        "sensor.other.radar", pose(150.0, -1.25, 0.8), None, horizontal_fov=40, vertical_fov=10,
        points_per_second=40000, range=60,
    )  # fmt: skip
    readings = session.listen(radar)
    reading = session.read(readings, session.ticks(3))
    values = np.frombuffer(reading.raw_data, np.float32).reshape(-1, 4)
    velocity, azimuth, altitude, depth = values.T
    assert len(values) == len(reading)
    assert np.abs(azimuth).max() <= math.radians(20.0)
    assert np.abs(altitude).max() <= math.radians(5.0)
    target = velocity > 1.0
    assert target.sum() > 20
    # 15 m ahead and 3 m to the right.
    assert azimuth[target].mean() == pytest.approx(math.atan2(3.0, 15.0), abs=0.03)
    assert velocity[target] == pytest.approx(5.0 * np.cos(azimuth[target]), abs=0.1)
    assert depth[target].min() == pytest.approx(15.3 - HALF_LENGTH_M, abs=0.8)
    assert velocity[~target] == pytest.approx(0.0, abs=1e-4)


def test_obstacle_speaks_up_at_the_right_distance(session: ClientSession) -> None:
    ego = session.spawn(CAR, pose(100.0, 1.75))
    truck = session.spawn("vehicle.carlamotors.carlacola", pose(112.0, 1.75))
    session.ticks(3)
    mount = carla.Transform(carla.Location(HALF_LENGTH_M, 0.0, 1.2))
    near = session.spawn("sensor.other.obstacle", mount, ego, distance=4, hit_radius=0.3)
    far = session.spawn("sensor.other.obstacle", mount, ego, distance=20, only_dynamics=True)
    quiet, loud = session.listen(near), session.listen(far)
    event = session.read(loud, session.ticks(2))
    assert (event.actor.id, event.other_actor.id) == (ego.id, truck.id)
    # From the front bumper to the lorry's tail.
    gap_m = 12.0 - HALF_LENGTH_M - 5.20 / 2
    assert event.distance == pytest.approx(gap_m, abs=0.6)
    assert quiet.empty()
    ego.set_transform(pose(105.0, 1.75))
    assert session.read(quiet, session.ticks(2)).distance == pytest.approx(gap_m - 5.0, abs=0.6)
