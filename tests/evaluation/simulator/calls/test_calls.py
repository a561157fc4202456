"""The official client against the simulator: connecting, actors, batches, ticks."""

from __future__ import annotations

import carla
import pytest

from tests.evaluation.simulator.client_session import DELTA_S, ClientSession, pose
from tests.evaluation.simulator.server_process import RunningSimulator

EGO = "vehicle.lincoln.mkz_2020"


def test_client_sees_town_and_version(session: ClientSession) -> None:
    assert session.client.get_server_version() == "0.9.16"
    town = session.world.get_map()
    assert town.name == "Carla/Maps/tiny"
    assert town.get_spawn_points()
    assert town.get_waypoint(carla.Location(50.0, 1.0, 0.0)).lane_id == -1
    assert any(name.endswith("/other") for name in session.client.get_available_maps())


def test_ticks_advance_frame_and_time(session: ClientSession) -> None:
    first = session.world.tick()
    before = session.world.get_snapshot()
    assert session.world.tick() == first + 1
    after = session.world.get_snapshot()
    assert after.frame == first + 1
    assert after.timestamp.delta_seconds == pytest.approx(DELTA_S)
    step_s = after.timestamp.elapsed_seconds - before.timestamp.elapsed_seconds
    assert step_s == pytest.approx(DELTA_S)


def test_asynchronous_world_ticks_by_itself(session: ClientSession) -> None:
    session.apply_synchronous(False)
    first = session.world.wait_for_tick(5.0).frame
    assert session.world.wait_for_tick(5.0).frame > first
    session.apply_synchronous(True)
    frame = session.world.get_snapshot().frame
    assert session.world.tick() > frame


def test_settings_come_back(session: ClientSession) -> None:
    settings = session.world.get_settings()
    settings.max_substeps = 16
    settings.max_culling_distance = 120.0
    session.world.apply_settings(settings)
    again = session.world.get_settings()
    assert again.synchronous_mode
    assert again.fixed_delta_seconds == pytest.approx(DELTA_S)
    assert (again.max_substeps, again.max_culling_distance) == (16, 120.0)


def test_weather_comes_back(session: ClientSession) -> None:
    session.world.set_weather(carla.WeatherParameters.HardRainSunset)
    assert session.world.get_weather() == carla.WeatherParameters.HardRainSunset


def test_vehicle_appears_and_goes(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(50.0, 1.75), color="17,37,103", role_name="hero")
    session.ticks(1)
    assert ego.is_alive
    assert ego.type_id == EGO
    assert ego.attributes["role_name"] == "hero"
    assert ego.attributes["number_of_wheels"] == "4"
    assert ego.semantic_tags == [14]
    assert ego.bounding_box.extent.x == pytest.approx(2.445)
    assert ego.get_location().x == pytest.approx(50.0, abs=1e-3)
    assert [actor.id for actor in session.world.get_actors().filter("vehicle.*")] == [ego.id]
    assert ego.destroy()
    session.ticks(1)
    assert not ego.is_alive
    assert not session.world.get_actors().filter("vehicle.*")


def test_control_moves_vehicle(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(50.0, 1.75))
    session.ticks(10)
    ego.apply_control(carla.VehicleControl(throttle=0.75, steer=-0.25))
    session.ticks(1)
    shown = ego.get_control()
    assert (shown.throttle, shown.steer) == pytest.approx((0.75, -0.25))
    session.ticks(30)
    assert ego.get_velocity().length() > 2.0
    assert ego.get_transform().rotation.yaw < -1.0
    assert ego.get_control().gear >= 1


def test_speed_limit_comes_from_the_road(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(50.0, 1.75))
    session.ticks(1)
    assert ego.get_speed_limit() == pytest.approx(40.0)
    assert not ego.is_at_traffic_light()
    assert ego.get_traffic_light_state() == carla.TrafficLightState.Green


def test_taken_place_is_refused(session: ClientSession) -> None:
    session.spawn(EGO, pose(80.0, 1.75))
    with pytest.raises(RuntimeError, match="collision at spawn position"):
        session.spawn("vehicle.audi.tt", pose(81.0, 1.75))
    blueprint = session.world.get_blueprint_library().find("vehicle.audi.tt")
    assert session.world.try_spawn_actor(blueprint, pose(81.0, 1.75)) is None


def test_children_follow_their_parent(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(50.0, 1.75, yaw=90.0))
    mount = carla.Transform(carla.Location(1.0, 0.5, 2.0), carla.Rotation(yaw=10.0))
    sensor = session.spawn("sensor.other.gnss", mount, ego)
    session.ticks(1)
    assert sensor.parent.id == ego.id
    base = ego.get_transform()
    base.location.x, base.location.y = base.location.x - 0.5, base.location.y + 1.0
    placed = sensor.get_transform()
    assert placed.location.distance(base.location + carla.Location(z=2.0)) < 1e-3
    assert placed.rotation.yaw == pytest.approx(100.0, abs=0.05)
    ego.set_transform(pose(20.0, -1.75, yaw=180.0))
    sensor.set_transform(carla.Transform(carla.Location(2.0, 0.0, 0.0)))
    session.ticks(1)
    assert sensor.get_location().x == pytest.approx(18.0, abs=1e-2)


def test_batch_reports_each_command(session: ClientSession) -> None:
    library = session.world.get_blueprint_library()
    spawn = carla.command.SpawnActor
    push = carla.command.ApplyTargetVelocity(carla.command.FutureActor, carla.Vector3D(5.0))
    responses = session.client.apply_batch_sync(
        [
            spawn(library.find("vehicle.audi.tt"), pose(100.0, 1.75)).then(push),
            spawn(library.find("vehicle.audi.tt"), pose(100.5, 1.75)),
            carla.command.DestroyActor(999_999),
        ],
        True,
    )
    assert [response.has_error() for response in responses] == [False, True, True]
    assert "collision" in responses[1].error
    assert "999999" in responses[2].error
    car = session.world.get_actor(responses[0].actor_id)
    assert car.get_velocity().x > 3.0
    done = session.client.apply_batch_sync([carla.command.DestroyActor(car)], True)
    assert not done[0].has_error()
    assert not session.world.get_actors().filter("vehicle.*")


def test_batch_knows_every_command_of_a_vehicle(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(50.0, 1.75))
    session.ticks(1)
    c = carla.command
    commands = [
        c.ApplyVehicleControl(ego, carla.VehicleControl(brake=1.0)),
        c.ApplyTransform(ego, pose(60.0, 1.75)),
        c.ApplyTargetVelocity(ego, carla.Vector3D()),
        c.ApplyTargetAngularVelocity(ego, carla.Vector3D()),
        c.ApplyImpulse(ego, carla.Vector3D()),
        c.ApplyForce(ego, carla.Vector3D()),
        c.ApplyAngularImpulse(ego, carla.Vector3D()),
        c.ApplyTorque(ego, carla.Vector3D()),
        c.SetSimulatePhysics(ego, True),
        c.SetEnableGravity(ego, True),
    ]
    responses = session.client.apply_batch_sync(commands, True)
    assert [response.error for response in responses] == [""] * len(commands)
    assert ego.get_location().x == pytest.approx(60.0, abs=1e-3)
    ego.set_light_state(carla.VehicleLightState.Brake)
    assert ego.get_light_state() == carla.VehicleLightState.Brake
    assert session.world.get_vehicles_light_states() == {ego.id: carla.VehicleLightState.Brake}


def test_walker_walks(session: ClientSession) -> None:
    walker = session.spawn("walker.pedestrian.0001", pose(30.0, 6.0, 1.0))
    session.ticks(5)
    walker.apply_control(carla.WalkerControl(carla.Vector3D(1.0, 0.0, 0.0), 1.5))
    session.ticks(40)
    assert walker.get_location().x > 32.0
    assert walker.get_control().speed == pytest.approx(1.5)


def test_constant_velocity_and_physics_switch(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(50.0, 1.75))
    session.ticks(5)
    ego.enable_constant_velocity(carla.Vector3D(8.0, 0.0, 0.0))
    session.ticks(10)
    assert ego.get_velocity().x == pytest.approx(8.0, abs=0.1)
    ego.disable_constant_velocity()
    ego.set_simulate_physics(False)
    session.ticks(1)
    place = ego.get_location()
    session.ticks(5)
    assert ego.get_location().distance(place) < 1e-4


def test_physics_control_round_trip(session: ClientSession) -> None:
    ego = session.spawn(EGO, pose(50.0, 1.75))
    session.ticks(1)
    physics = ego.get_physics_control()
    assert len(physics.wheels) == 4
    assert physics.wheels[0].position.x > physics.wheels[2].position.x
    physics.mass = 2500.0
    ego.apply_physics_control(physics)
    assert ego.get_physics_control().mass == pytest.approx(2500.0)
    assert ego.get_physics_control().wheels[0].max_steer_angle == pytest.approx(
        physics.wheels[0].max_steer_angle
    )


def test_rays_meet_ground_and_vehicles(session: ClientSession) -> None:
    session.spawn(EGO, pose(50.0, 1.75))
    session.ticks(5)
    ground = session.world.ground_projection(carla.Location(20.0, 1.75, 5.0), 10.0)
    assert ground.location.z == pytest.approx(0.0, abs=0.05)
    assert ground.label == carla.CityObjectLabel.Roads
    assert session.world.ground_projection(carla.Location(20.0, 1.75, 50.0), 10.0) is None
    met = session.world.cast_ray(carla.Location(40.0, 1.75, 0.8), carla.Location(60.0, 1.75, 0.8))
    assert met[0].label == carla.CityObjectLabel.Car
    assert met[0].location.x == pytest.approx(50.0 - 2.445, abs=0.05)


def test_level_lists_are_readable(session: ClientSession) -> None:
    boxes = session.world.get_level_bbs(carla.CityObjectLabel.Any)
    objects = session.world.get_environment_objects(carla.CityObjectLabel.Any)
    assert len(boxes) == len(objects)
    for item in objects[:3]:
        assert item.bounding_box.extent.z > 0.0
        assert item.name


def test_blueprints_serve_scenarios(session: ClientSession) -> None:
    library = session.world.get_blueprint_library()
    cars = [
        item
        for item in library.filter("vehicle.*")
        if item.get_attribute("base_type").as_str() == "car"
        and item.get_attribute("has_lights").as_bool()
        and item.get_attribute("special_type").as_str() == ""
    ]
    assert len(cars) >= 4
    assert library.find(EGO).get_attribute("color").as_color()
    assert library.find("walker.pedestrian.0001").has_attribute("is_invincible")
    for name in ("trafficcone01", "trafficwarning", "constructioncone", "dirtdebris01"):
        prop = session.spawn(f"static.prop.{name}", pose(120.0, 1.75))
        session.ticks(1)
        assert prop.is_alive
        prop.destroy()


def test_spectator_moves(session: ClientSession, tiny_simulator: RunningSimulator) -> None:
    assert tiny_simulator.town == "tiny"
    spectator = session.world.get_spectator()
    spectator.set_transform(carla.Transform(carla.Location(1.0, 2.0, 30.0)))
    session.ticks(1)
    assert spectator.get_transform().location.z == pytest.approx(30.0)
