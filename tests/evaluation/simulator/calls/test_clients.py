"""What programs written for CARLA expect of calls, seen through the official client."""

from __future__ import annotations

import math
from collections.abc import Iterator

import carla
import pytest

from tests.evaluation.simulator.client_session import ClientSession, pose
from tests.evaluation.simulator.server_process import RunningSimulator
from tests.evaluation.simulator.test_server_process import RawPeer
from tests.evaluation.simulator.tiny_town import straight_road

EGO = "vehicle.lincoln.mkz_2020"


@pytest.fixture
def traveller(tiny_simulator: RunningSimulator) -> Iterator[carla.Client]:
    """A client that loads other towns and goes home in the end."""
    client = carla.Client("127.0.0.1", tiny_simulator.port)
    client.set_timeout(30.0)
    yield client
    client.load_world("tiny")


@pytest.mark.parametrize(
    "name", ["other", "other_Opt", "/Game/Carla/Maps/other", "Carla/Maps/other/other_Opt", "OTHER"]
)
def test_map_names_as_clients_write_them(traveller: carla.Client, name: str) -> None:
    expected = "Carla/Maps/other_Opt" if name.endswith("_Opt") else "Carla/Maps/other"
    assert traveller.load_world(name).get_map().name == expected


def test_unknown_map_names_the_option(traveller: carla.Client) -> None:
    with pytest.raises(RuntimeError, match=r"'Town77_Opt' not found.*tiny.*--towns FOLDER"):
        traveller.load_world("Town77_Opt")


def test_a_world_from_opendrive(traveller: carla.Client) -> None:
    parameters = carla.OpendriveGenerationParameters()
    for length_m in (150.0, 170.0):
        world = traveller.generate_opendrive_world(straight_road("sent", length_m), parameters)
        assert world.get_map().name == "Carla/Maps/OpenDriveMap"
        assert world.get_map().get_waypoint_xodr(1, -1, length_m - 1.0) is not None
        assert world.get_map().get_waypoint_xodr(1, -1, length_m + 1.0) is None
    with pytest.raises(RuntimeError, match="OpenDriveMap"):
        traveller.generate_opendrive_world("<OpenDRIVE></OpenDRIVE>", parameters)


def test_what_is_refused_without_an_answer_is_told_by_the_next(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(50.0, 1.75))
    frame = session.ticks(1)
    ego.enable_chrono_physics(10, 0.01, "a", "b", "c", "d")
    ego.use_carsim_road(True)
    with pytest.raises(RuntimeError, match=r"CarSim physics are not simulated; Chrono physics"):
        session.world.tick()
    assert session.world.tick() == frame + 1


def tags(world: carla.World) -> set[str]:
    """Kinds of the things that a world lists."""
    return {str(item.type) for item in world.get_environment_objects(carla.CityObjectLabel.Any)}


def trees_ahead(world: carla.World) -> int:
    """Trees that a ray along the road's edge meets."""
    met = 0
    for item in world.get_environment_objects(carla.CityObjectLabel.Vegetation):
        place = item.bounding_box.location
        start, end = (carla.Location(place.x + dx, place.y, place.z) for dx in (-2.0, 2.0))
        met += any(
            hit.label == carla.CityObjectLabel.Vegetation for hit in world.cast_ray(start, end)
        )
    return met


def test_things_of_the_town_can_be_hidden(traveller: carla.Client) -> None:
    world = traveller.load_world("other")
    trees = {item.id for item in world.get_environment_objects(carla.CityObjectLabel.Vegetation)}
    assert trees_ahead(world) == len(trees) > 0
    hidden = set(sorted(trees)[1:])
    world.enable_environment_objects({*hidden, 12345678}, False)
    assert trees_ahead(world) == 1
    world.enable_environment_objects(hidden, True)
    assert trees_ahead(world) == len(trees)
    world.enable_environment_objects(hidden, False)
    # A new episode has everything again.
    assert trees_ahead(traveller.reload_world()) == len(trees)


def test_layers_are_loaded_and_unloaded_in_layered_towns(traveller: carla.Client) -> None:
    layers = carla.MapLayer
    world = traveller.load_world("other_Opt", True, layers.Buildings)
    assert tags(world) == set()
    world.load_map_layer(layers.Foliage)
    assert tags(world) == {"Vegetation"}
    world.unload_map_layer(layers.All)
    assert tags(world) == set()
    # The same name again, with all that it has.
    world = traveller.reload_world()
    assert world.get_map().name.endswith("other_Opt")
    assert tags(world) == {"Vegetation"}


def test_other_towns_have_no_layers(traveller: carla.Client) -> None:
    world = traveller.load_world("other", True, carla.MapLayer.NONE)
    world.unload_map_layer(carla.MapLayer.All)
    assert tags(world) == {"Vegetation"}


@pytest.mark.parametrize("wanted_mps", [8.0, 3.0, -2.0])
def test_ackermann_keeps_a_speed(session: ClientSession, wanted_mps: float) -> None:
    ego = session.spawn(EGO, pose(250.0, 1.75))
    control = carla.VehicleAckermannControl(speed=abs(wanted_mps), acceleration=2.0)
    control.speed = wanted_mps
    ego.apply_ackermann_control(control)
    session.ticks(20)
    # Two metres per second squared cannot have brought more than this in a second.
    assert abs(ego.get_velocity().x) < 2.6
    session.ticks(40)
    # Three seconds at that acceleration, less the time that the engine needs to answer.
    assert abs(ego.get_velocity().x) > min(4.0, 0.7 * abs(wanted_mps))
    session.ticks(120)
    speeds_mps = []
    for _ in range(20):
        session.ticks(1)
        speeds_mps.append(ego.get_velocity().x)
    assert speeds_mps == pytest.approx([wanted_mps] * 20, abs=0.25)
    ego.apply_ackermann_control(carla.VehicleAckermannControl(speed=0.0))
    session.ticks(100)
    assert abs(ego.get_velocity().x) < 0.05


def test_ackermann_steers_by_angle_and_ends_with_pedals(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(250.0, 1.75))
    session.ticks(1)
    limit_rad = math.radians(ego.get_physics_control().wheels[0].max_steer_angle)
    ego.apply_ackermann_control(carla.VehicleAckermannControl(steer=0.2, steer_speed=0.1))
    session.ticks(21)
    assert ego.get_control().steer == pytest.approx(0.1 / limit_rad, rel=0.1)
    session.ticks(40)
    assert ego.get_control().steer == pytest.approx(0.2 / limit_rad, rel=0.01)
    ego.apply_control(carla.VehicleControl(steer=-0.5))
    session.ticks(3)
    assert ego.get_control().steer == pytest.approx(-0.5)


def test_ackermann_settings_come_back(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(50.0, 1.75))
    session.ticks(1)
    assert ego.get_ackermann_controller_settings().speed_kp == pytest.approx(0.15)
    gains = carla.AckermannControllerSettings(0.3, 0.1, 0.2, 0.02, 0.03, 0.04)
    ego.apply_ackermann_controller_settings(gains)
    assert ego.get_ackermann_controller_settings() == gains


def test_pedals_that_do_not_stick_last_one_step(session: ClientSession) -> None:
    cars = [
        session.spawn(EGO, pose(100.0, y), sticky_control=sticky)
        for y, sticky in ((1.75, "False"), (-1.75, "True"))
    ]
    session.ticks(10)
    for car in cars:
        car.apply_control(carla.VehicleControl(throttle=1.0))
    session.ticks(60)
    fleeting, sticky = (car.get_velocity().length() for car in cars)
    assert fleeting < 0.3
    assert sticky > 5.0


def test_every_field_of_the_physics_control_comes_back(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(50.0, 1.75))
    session.ticks(1)
    physics = ego.get_physics_control()
    physics.center_of_mass = carla.Vector3D(0.3, 0.0, -0.2)
    physics.moi, physics.clutch_strength = 3.0, 7.0
    physics.use_sweep_wheel_collision = True
    wheels = physics.wheels
    for number, wheel in enumerate(wheels):
        wheel.long_stiff_value, wheel.lat_stiff_value = 900.0 + number, 12.0 + number
        wheel.damping_rate = 0.5 + number
    physics.wheels = wheels
    ego.apply_physics_control(physics)
    session.ticks(1)
    again = ego.get_physics_control()
    assert again.center_of_mass.x == pytest.approx(0.3)
    assert (again.moi, again.clutch_strength) == (3.0, 7.0)
    assert again.use_sweep_wheel_collision
    for number, wheel in enumerate(again.wheels):
        assert wheel.long_stiff_value == 900.0 + number
        assert (wheel.lat_stiff_value, wheel.damping_rate) == (12.0 + number, 0.5 + number)
    ego.set_transform(pose(80.0, 1.75))
    session.ticks(1)
    moved_m = (ego.get_physics_control().wheels[0].position.x - wheels[0].position.x) / 100.0
    assert moved_m == pytest.approx(30.0, abs=0.05)


@pytest.mark.parametrize("name", ["vehicle.bh.crossbike", "vehicle.kawasaki.ninja"])
def test_bicycles_have_four_wheels_as_in_carla(session: ClientSession, name: str) -> None:
    bike = session.spawn(name, pose(50.0, 1.75))
    session.ticks(1)
    wheels = bike.get_physics_control().wheels
    assert [wheel.max_steer_angle > 0.0 for wheel in wheels] == [True, True, False, False]


def test_event_sensors_have_no_sensor_tick(session: ClientSession) -> None:
    library = session.world.get_blueprint_library()
    for name in ("collision", "lane_invasion"):
        assert not library.find(f"sensor.other.{name}").has_attribute("sensor_tick")


def test_a_push_beside_the_middle_turns(
    session: ClientSession, tiny_simulator: RunningSimulator
) -> None:
    cars = [session.spawn(EGO, pose(100.0, y)) for y in (1.75, -1.75)]
    session.ticks(5)
    peer = RawPeer(tiny_simulator.port)
    for car, ahead_m in zip(cars, (2.0, 0.0), strict=True):
        place = car.get_location()
        push = [[0.0, 2000.0, 0.0], [place.x + ahead_m, place.y, place.z]]
        assert peer.call("add_actor_impulse_at_location", car.id, *push) == [[False]]
    session.ticks(1)
    assert cars[0].get_angular_velocity().z > 5.0
    assert abs(cars[1].get_angular_velocity().z) < 5.0


def test_one_light_may_be_frozen_and_objects_have_names(demo_simulator: RunningSimulator) -> None:
    with ClientSession(demo_simulator.port) as session:
        light = session.world.get_actors().filter("traffic.traffic_light")[0]
        light.freeze(True)
        session.ticks(1)
        assert light.is_frozen()
        names = session.world.get_names_of_all_objects()
        objects = session.world.get_environment_objects(carla.CityObjectLabel.Any)
        assert names == [item.name for item in objects]
        light.freeze(False)
